// Writes of endpoints that are to be made at the same moment share a call: an endpoint comes, and goes, with thousands of services.
import { create, toBinary } from '@bufbuild/protobuf';
import { NsmError, registry as wire } from '@nsm/api';

/** One call has at most so many writes, and bytes of them: less than the registry accepts in one request. */
const most = { writes: 256, bytes: 512 * 1024 };

type Write = wire.EndpointWrite['write'];

interface Waiting {
  readonly write: wire.EndpointWrite;
  readonly bytes: number;
  readonly done: () => void;
  readonly failed: (error: NsmError) => void;
}

export class GatheredWrites {
  readonly #send: (writes: wire.EndpointWrite[]) => Promise<readonly string[]>;
  #waiting: Waiting[] = [];

  /** @param send makes some writes and returns why each failed, '' where it did not. What it throws fails them all. */
  constructor(send: (writes: wire.EndpointWrite[]) => Promise<readonly string[]>) {
    this.#send = send;
  }

  /** @throws NsmError the registry's refusal, or what kept it from being asked. */
  add(write: Write): Promise<void> {
    return new Promise((done, failed) => {
      const message = create(wire.EndpointWriteSchema, { write });
      const bytes = toBinary(wire.EndpointWriteSchema, message).length;
      this.#waiting.push({ write: message, bytes, done, failed });
      if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    let part: Waiting[] = [];
    let bytes = 0;
    for (const waiting of this.#waiting.splice(0)) {
      if (part.length === most.writes || (part.length > 0 && bytes + waiting.bytes > most.bytes)) {
        void this.#write(part);
        part = [];
        bytes = 0;
      }
      part.push(waiting);
      bytes += waiting.bytes;
    }
    void this.#write(part);
  }

  /** Never rejects. */
  async #write(part: readonly Waiting[]): Promise<void> {
    try {
      const failures = await this.#send(part.map(({ write }) => write));
      part.forEach(({ done, failed }, index) => {
        const failure = failures[index] ?? '';
        if (failure === '') done();
        else failed(NsmError.fromAdmissionError(failure, 'registry'));
      });
    } catch (error) {
      for (const { failed } of part) failed(NsmError.from(error));
    }
  }
}

/** Why each failed, '' where it did not. */
export async function failuresOf(writes: readonly Promise<unknown>[]): Promise<string[]> {
  return (await Promise.allSettled(writes)).map((outcome) =>
    outcome.status === 'fulfilled' ? '' : NsmError.from(outcome.reason).toAdmissionError(),
  );
}
