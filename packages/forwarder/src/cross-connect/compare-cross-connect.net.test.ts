// Looking at a cross-connect tells what mending it would put right, and touches nothing.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType } from '@nsm/api';
import { leaks, requireRoot, run } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeStage, type Stage } from '../tunnels/tunnel.test.mesh.js';

const id = 'node-a:00000001-0000000000000001';

describe.skipIf(!requireRoot('comparing'))('a cross-connect that somebody changed', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await makeStage([{}, {}]);
  });
  afterEach(() => stage.remove());
  afterAll(() => expect(leaks()).toEqual([]));

  it('is told of in the words of what is mended, and left as it is', async () => {
    const [client] = stage.pods;
    const [{ client: forwarder }] = stage.threads;
    const port = (side: 0 | 1, name: string) => ({
      type: InterfaceType.KERNEL_INTERFACE,
      namespace: { inode: stage.pods[side].namespace.inode, path: `/run/netns/${stage.pods[side].name}` },
      name,
      mac: `02:00:00:00:00:0${side + 1}`,
      mtu: 1500,
      addresses: [`10.60.0.${1 - side}/31`],
      peerAddresses: [`10.60.0.${side}`],
      routes: side === 0 ? [{ destination: '10.99.0.0/16', gateway: '10.60.0.0' }] : [],
    });
    const wanted = create(fw.CrossConnectSchema, {
      id,
      client: port(0, 'nsm0'),
      endpoint: port(1, 'nse0'),
    });
    try {
      const made = await forwarder.apply(wanted);
      const differences = async (): Promise<string[]> => (await forwarder.compare(made)).differences;
      expect(await differences()).toEqual([]);
      await run(client.name, 'ip', ['link', 'set', 'nsm0', 'mtu', '1400']);
      await run(client.name, 'ip', ['address', 'flush', 'dev', 'nsm0']);
      const found = await differences();
      expect(found).toEqual([
        'MTU of nsm0 (client)',
        'address 10.60.0.1/31 of nsm0 (client)',
        'route 10.60.0.0/31 of nsm0 (client)',
        'route 10.99.0.0/16 of nsm0 (client)',
      ]);
      expect(await differences()).toEqual(found);
      const { mended } = await forwarder.apply(made);
      expect(found).toEqual(expect.arrayContaining(mended));
      expect(await differences()).toEqual([]);
      await run(client.name, 'ip', ['link', 'delete', 'nsm0']);
      expect(await differences()).toEqual(['interface of nsm0 (client)', 'interface of nse0 (endpoint)']);
    } finally {
      await forwarder.remove({ crossConnects: [wanted] });
    }
  });
});
