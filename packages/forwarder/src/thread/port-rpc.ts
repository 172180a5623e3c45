// A gRPC service spoken over a MessagePort: the same messages and errors, without a socket between two threads.
import type { MessagePort } from 'node:worker_threads';
import { create, type DescMessage, type DescService, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type CallOptions,
  NsmError,
  type NsmErrorKind,
  type ServiceClient,
  type ServiceImplementation,
} from '@nsm/api';

type Call =
  | { readonly id: number; readonly method: string; readonly request: object }
  | { readonly cancel: number }
  /** A message of a stream has been taken. */
  | { readonly taken: number };
type Answer =
  | { readonly id: number; readonly reply: object; readonly last: boolean }
  | { readonly id: number; readonly end: true }
  | { readonly id: number; readonly error: string; readonly kind: NsmErrorKind };

/** Messages of a stream that may wait to be taken: then the stream waits. */
const untakenAtMost = 4;

type Init = MessageInitShape<DescMessage>;
type Method = (request: object, context: { signal: AbortSignal }) => Promise<Init> | AsyncIterable<Init>;

/** Answers calls that arrive on a port until it closes. */
export function servePort<S extends DescService>(
  port: MessagePort,
  service: S,
  implementation: ServiceImplementation<S>,
): void {
  const running = new Map<number, Running>();
  const methods = new Map(service.methods.map((method) => [method.localName, method]));
  const post = (answer: Answer): void => port.postMessage(answer);

  const answer = async (id: number, name: string, request: object, run: Running): Promise<void> => {
    const method = methods.get(name);
    const call = (implementation as unknown as Record<string, Method>)[name];
    if (!method || !call) throw new NsmError('unimplemented', `${service.typeName} has no method ${name}`);
    const outcome = call.call(implementation, request, { signal: run.signal });
    if (Symbol.asyncIterator in outcome) {
      for await (const reply of outcome) {
        post({ id, reply: create(method.output, reply), last: false });
        if (!(await run.given())) break;
      }
      post({ id, end: true });
    } else {
      post({ id, reply: create(method.output, await outcome), last: true });
    }
  };

  port.on('message', (call: Call) => {
    if ('cancel' in call)
      return running.get(call.cancel)?.end(new NsmError('cancelled', 'the call was cancelled'));
    if ('taken' in call) return running.get(call.taken)?.taken();
    const run = new Running();
    running.set(call.id, run);
    answer(call.id, call.method, call.request, run)
      .catch((thrown: unknown) => {
        const error = NsmError.from(thrown);
        post({ id: call.id, error: error.message, kind: error.kind });
      })
      .finally(() => running.delete(call.id));
  });
  port.on('close', () => {
    for (const run of running.values()) run.end(new NsmError('stopping', 'the port closed'));
  });
}

/** A call under way, and how many messages of its stream have not been taken yet. */
class Running {
  readonly #abort = new AbortController();
  #untaken = 0;
  #goOn = (): void => undefined;

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Resolves when one more message may be given; false: none is wanted any more. */
  async given(): Promise<boolean> {
    this.#untaken++;
    if (this.#untaken >= untakenAtMost && !this.signal.aborted)
      await new Promise<void>((resolve) => {
        this.#goOn = resolve;
      });
    return !this.signal.aborted;
  }

  taken(): void {
    this.#untaken--;
    this.#goOn();
  }

  end(reason: NsmError): void {
    this.#abort.abort(reason);
    this.#goOn();
  }
}

interface Pending {
  reply(message: object): void;
  end(): void;
  fail(error: NsmError): void;
}

/** The client of a service at the other end of a port. */
export class PortClient {
  readonly #port: MessagePort | { postMessage(value: unknown): void };
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed: NsmError | undefined;

  constructor(port: {
    postMessage(value: unknown): void;
    on(event: 'message', listener: (answer: Answer) => void): unknown;
  }) {
    this.#port = port;
    port.on('message', (answer) => {
      const pending = this.#pending.get(answer.id);
      if (!pending) return;
      if ('error' in answer) pending.fail(new NsmError(answer.kind, answer.error));
      else if ('end' in answer) pending.end();
      else pending.reply(answer.reply);
    });
  }

  client<S extends DescService>(service: S): ServiceClient<S> {
    const methods = service.methods.map((method) => [
      method.localName,
      (request: Init, options?: CallOptions) => {
        const message = create(method.input, request);
        return method.methodKind === 'unary'
          ? this.#unary(method.localName, message, options)
          : this.#stream(method.localName, message, options);
      },
    ]);
    return Object.fromEntries(methods) as ServiceClient<S>;
  }

  /** Fails every call under way, and every later one. */
  close(reason: NsmError): void {
    this.#closed = reason;
    for (const pending of this.#pending.values()) pending.fail(reason);
    this.#pending.clear();
  }

  #start(method: string, request: object, pending: Pending): number {
    if (this.#closed) throw this.#closed;
    const id = this.#nextId++;
    this.#pending.set(id, pending);
    this.#port.postMessage({ id, method, request } satisfies Call);
    return id;
  }

  async #unary(method: string, request: object, options: CallOptions = {}): Promise<object> {
    options.signal?.throwIfAborted();
    return await new Promise<object>((resolve, reject) => {
      const settle =
        <T>(act: (value: T) => void) =>
        (value: T): void => {
          this.#pending.delete(id);
          options.signal?.removeEventListener('abort', abort);
          act(value);
        };
      const id = this.#start(method, request, {
        reply: settle(resolve),
        end: () => undefined,
        fail: settle(reject),
      });
      // The work in the other thread is not torn apart: its outcome is waited for, so that it can be undone.
      const abort = (): void => this.#port.postMessage({ cancel: id } satisfies Call);
      options.signal?.addEventListener('abort', abort, { once: true });
    });
  }

  async *#stream(method: string, request: object, options: CallOptions = {}): AsyncGenerator<object> {
    options.signal?.throwIfAborted();
    const queue: object[] = [];
    let outcome: { readonly error?: NsmError } | undefined;
    let wake = (): void => undefined;
    const id = this.#start(method, request, {
      reply: (message) => {
        queue.push(message);
        wake();
      },
      end: () => {
        outcome = {};
        wake();
      },
      fail: (error) => {
        outcome = { error };
        wake();
      },
    });
    // At once: whoever reads may never come back for the next message.
    const abort = (): void => {
      outcome = { error: NsmError.from(options.signal?.reason) };
      this.#port.postMessage({ cancel: id } satisfies Call);
      wake();
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      for (;;) {
        for (let message = queue.shift(); message; message = queue.shift()) {
          yield message;
          this.#port.postMessage({ taken: id } satisfies Call);
        }
        if (outcome?.error) throw outcome.error;
        if (outcome && queue.length === 0) return;
        if (queue.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      options.signal?.removeEventListener('abort', abort);
      this.#pending.delete(id);
      if (!outcome) this.#port.postMessage({ cancel: id } satisfies Call);
    }
  }
}
