// Whether a server works, as the health checking protocol of gRPC asks it.
import { EventEmitter, on } from 'node:events';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { NsmError } from '../errors.js';
import {
  type HealthCheckRequest,
  type HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from '../gen/grpc/health/v1/health_pb.js';

type Reply = MessageInitShape<typeof HealthCheckResponseSchema>;

/** A condition without which the server is of no use to callers. */
export interface Condition {
  readonly met: boolean;
  /** @param listener is called whenever `met` may have become another. */
  onChange(listener: () => void): void;
}

/** Implements grpc.health.v1.Health: all services of a server are well until it stops, while a condition of the whole process is met. */
export class Health {
  readonly #names: ReadonlySet<string>;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #condition: Condition | undefined;
  #stopped = false;

  /**
   * @param services their full names; the server as a whole has none.
   * @param condition default: none.
   */
  constructor(services: readonly string[], condition?: Condition) {
    this.#names = new Set(['', ...services]);
    this.#condition = condition;
    condition?.onChange(() => this.#changes.emit('change'));
  }

  get #status(): Status {
    return this.#stopped || this.#condition?.met === false ? Status.NOT_SERVING : Status.SERVING;
  }

  /** Every service is NOT_SERVING from now on. */
  stopServing(): void {
    this.#stopped = true;
    this.#changes.emit('change');
  }

  /** @throws NsmError `not-found` for a service that the server does not have. */
  async check({ service }: HealthCheckRequest): Promise<Reply> {
    if (!this.#names.has(service)) throw new NsmError('not-found', `no service ${service} here`);
    return { status: this.#status };
  }

  async *watch(
    { service }: HealthCheckRequest,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncIterable<Reply> {
    const known = this.#names.has(service);
    const changes = on(this.#changes, 'change', { signal });
    yield { status: known ? this.#status : Status.SERVICE_UNKNOWN };
    for await (const _ of changes) if (known) yield { status: this.#status };
  }

  async list(): Promise<{ statuses: Record<string, Reply> }> {
    return { statuses: Object.fromEntries([...this.#names].map((name) => [name, { status: this.#status }])) };
  }
}
