import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { forwarder as fw, type ServiceImplementation } from '@nsm/api';
import { describe, expect, it, vi } from 'vitest';
import { PortClient, servePort } from './port-rpc.js';

/** A service whose stream gives numbers, and how far it has come. */
function counting(): {
  readonly service: ServiceImplementation<typeof fw.Forwarder>;
  given: number;
  ended: boolean;
} {
  const state = {
    given: 0,
    ended: false,
    service: {
      async *watch() {
        try {
          for (; state.given < 1000; state.given++)
            yield { event: { case: 'interfaceChanged', value: String(state.given) } };
        } finally {
          state.ended = true;
        }
      },
    } as unknown as ServiceImplementation<typeof fw.Forwarder>,
  };
  return state;
}

describe('a stream over a port', () => {
  it('waits for its reader, and ends with it', async () => {
    const { port1, port2 } = new MessageChannel();
    const state = counting();
    servePort(port1, fw.Forwarder, state.service);
    const stream = new PortClient(port2).client(fw.Forwarder).watch({})[Symbol.asyncIterator]();
    const heard: unknown[] = [];
    const next = async (): Promise<void> => void heard.push((await stream.next()).value?.event.value);
    await next();
    // As long as nobody reads, nothing more comes than may wait.
    await sleep(20);
    const waiting = state.given;
    expect(waiting).toBeLessThan(10);
    await sleep(20);
    expect(state.given).toBe(waiting);
    for (let count = 1; count < 100; count++) await next();
    expect(heard).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
    await stream.return?.();
    await sleep(20);
    expect(state.ended).toBe(true);
    expect(state.given).toBeLessThan(110);
    port1.close();
  });

  it('ends with its signal, though nobody reads any more', async () => {
    const { port1, port2 } = new MessageChannel();
    const state = counting();
    servePort(port1, fw.Forwarder, state.service);
    const abort = new AbortController();
    const client = new PortClient(port2).client(fw.Forwarder);
    await client.watch({}, { signal: abort.signal })[Symbol.asyncIterator]().next();
    abort.abort();
    await vi.waitFor(() => expect(state.ended).toBe(true));
    port1.close();
  });
});
