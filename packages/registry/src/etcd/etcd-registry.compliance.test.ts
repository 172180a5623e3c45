// Clients of an etcd of one member against the compliance suite.
import { EtcdProcess, requireEtcd } from '@nsm/testkit';
import { afterAll, beforeAll, describe } from 'vitest';
import { compliance } from '../compliance/compliance.js';
import { EtcdRegistry } from './etcd-registry.js';

describe.skipIf(!requireEtcd('etcd: as a registry'))('one etcd', () => {
  let etcd: EtcdProcess;
  let meshes = 0;
  beforeAll(async () => {
    etcd = await EtcdProcess.alone();
  });
  afterAll(async () => {
    await etcd?.stop();
  });

  compliance('etcd:', async () => {
    // A mesh for each test, in the same etcd.
    const url = `etcd://${etcd.member}/test/${meshes++}`;
    let running = true;
    const start = async (): Promise<void> => {
      await etcd.start();
      running = true;
    };
    return {
      async open(options) {
        const registry = new EtcdRegistry(url, options);
        await registry.start();
        return registry;
      },
      server: {
        async stop() {
          await etcd.kill();
          running = false;
        },
        start,
        loseStore: () => etcd.loseStore(),
      },
      async close() {
        if (!running) await start();
      },
    };
  });
});
