import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { forwarder as fw, type ServiceImplementation } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { PortClient, servePort } from './port-rpc.js';

describe('a stream over a port', () => {
  it('waits for its reader, and ends with it', async () => {
    const { port1, port2 } = new MessageChannel();
    let given = 0;
    let ended = false;
    const service = {
      async *watch() {
        try {
          for (; given < 1000; given++) yield { event: { case: 'interfaceChanged', value: String(given) } };
        } finally {
          ended = true;
        }
      },
    };
    servePort(port1, fw.Forwarder, service as unknown as ServiceImplementation<typeof fw.Forwarder>);
    const stream = new PortClient(port2).client(fw.Forwarder).watch({})[Symbol.asyncIterator]();
    const heard: unknown[] = [];
    const next = async (): Promise<void> => void heard.push((await stream.next()).value?.event.value);
    await next();
    // As long as nobody reads, nothing more comes than may wait.
    await sleep(20);
    const waiting = given;
    expect(waiting).toBeLessThan(10);
    await sleep(20);
    expect(given).toBe(waiting);
    for (let count = 1; count < 100; count++) await next();
    expect(heard).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
    await stream.return?.();
    await sleep(20);
    expect(ended).toBe(true);
    expect(given).toBeLessThan(110);
    port1.close();
  });
});
