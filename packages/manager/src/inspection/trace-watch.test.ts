import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { capture } from '@nsm/api';
import { expect, it } from 'vitest';
import type { Connection } from '../state/connection.js';
import type { InspectionComponents } from './components.js';
import { watchPackets } from './trace-watch.js';

const mark = Buffer.from('0123456700000000', 'hex');
const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** Has a packet that no time was noted for: it bears that of its reading, and is told when all from before that has been read. */
class UnstampedPacket {
  #passed = false;
  #readNs: bigint | undefined;

  pass(): void {
    this.#passed = true;
  }

  async *capture(): AsyncGenerator<capture.Captured> {
    const points = ['client', 'endpoint'].map((place) => create(capture.PointSchema, { place }));
    yield create(capture.CapturedSchema, { points, untilNs: nowNs() });
    for (let told = false; ; await sleep(30)) {
      const untilNs = nowNs() - 1_000_000n;
      if (this.#passed) this.#readNs ??= nowNs();
      const isReady: boolean = !told && this.#readNs !== undefined && this.#readNs <= untilNs;
      told ||= isReady;
      const data = Buffer.concat([Buffer.alloc(14 + 20), Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), mark]);
      const packets = isReady ? [{ point: 0, timeNs: this.#readNs ?? 0n, outgoing: true, data }] : [];
      yield create(capture.CapturedSchema, { packets, untilNs });
    }
  }
}

it('has seen a packet whose time the kernel did not note, once it has settled', async () => {
  const forwarder = new UnstampedPacket();
  const intent = { kind: 'connected' };
  const connection = { id: 'one', role: 'LOCAL', intent, crossConnect: {} } as unknown as Connection;
  const end = new AbortController();
  const components = {
    forwarder,
    connections: { byId: () => connection },
    self: { name: 'node-a' },
    stopping: end.signal,
    logger: { info: () => undefined },
  } as unknown as InspectionComponents;
  const watching = await watchPackets(components, connection, [mark], end.signal);
  await sleep(50);
  forwarder.pass();
  await watching.settle();
  expect(watching.seen).toMatchObject([{ mark: 0, answer: false }]);
  end.abort();
});
