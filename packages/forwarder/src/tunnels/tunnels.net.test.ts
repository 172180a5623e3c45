// What every kind of tunnel must do, on a real kernel, over both underlays.
import { TunnelType } from '@nsm/api';
import { leaks, ping, requireRoot } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { join, kinds, makeStage, podAddresses, type Stage, tunnelNames } from './tunnel.test.mesh.js';

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('tunnels'))('tunnels', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await makeStage();
  });
  afterEach(async () => await stage.remove());

  it('offers', async () => {
    console.log(
      (await stage.threads[0].client.getCapabilities({})).tunnels.map(
        (t) => `${tunnelNames[t.type]} ${t.engine} ${t.missing}`,
      ),
    );
  });

  describe.each(
    kinds.flatMap((type) => ([4, 6] as const).map((version) => ({ name: tunnelNames[type], type, version }))),
  )('$name over IPv$version', ({ type, version }) => {
    it('pings', async () => {
      const { mtu, halves } = await join(stage, type, version);
      console.log(mtu);
      for (const v of [4, 6] as const)
        expect(await ping(stage.pods[0].name, podAddresses[v][1], { count: 3 })).toMatchObject({
          received: 3,
        });
      console.log(await stage.threads[0].client.getStatistics({ crossConnect: halves[0] }));
      for (const v of [4, 6] as const)
        expect(
          await ping(stage.pods[0].name, podAddresses[v][1], {
            count: 3,
            size: mtu - (v === 4 ? 28 : 48),
            df: true,
          }),
        ).toMatchObject({ received: 3 });
      await Promise.all([0, 1].map((n) => stage.threads[n]!.client.remove({ crossConnects: [halves[n]!] })));
      expect(stage.nodes.map(({ route }) => route.links().map(({ name }) => name))).toEqual([
        ['lo', 'under'],
        ['lo', 'under'],
      ]);
    });
  });
  void TunnelType;
});
