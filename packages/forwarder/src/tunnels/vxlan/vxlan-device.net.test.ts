// What the kernel's vxlan device does otherwise than eBPF: who chooses it should know, and docs/decisions.md says so.
import { TunnelType } from '@nsm/api';
import { leaks, ping, requireRoot, run } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromElsewhere, ofAnother, PacketSocket } from '../frames.test.tool.js';
import { join, makeStage, podAddresses, type Stage } from '../tunnel.test.mesh.js';

afterAll(() => expect(leaks()).toEqual([]));

/** Bytes of Ethernet, IPv4, UDP and VXLAN headers up to the last of the VNI. */
const vniEnd = 14 + 20 + 14;

describe.skipIf(!requireRoot('vxlan device'))('the kernel’s vxlan device', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await makeStage([{}, {}]);
    await join(stage, TunnelType.VXLAN, 4);
  });
  afterEach(async () => await stage.remove());

  it('drops another VNI, and does not look at the sender', async () => {
    const [client, endpoint] = stage.pods;
    const under = stage.nodes.map(({ route }) => route.link('under')!.index);
    using wire = new PacketSocket(stage.nodes[0].namespace, under[0]!);
    using attacker = new PacketSocket(stage.nodes[1].namespace, under[1]!);
    using pod = new PacketSocket(client.namespace, client.route.link('nsm0')!.index);
    await ping(client.name, podAddresses[4][1]);
    const marked = (frame: Buffer): boolean => frame.includes(Buffer.from('c0ffee44', 'hex'));
    await run(endpoint.name, 'ping', ['-c', '1', '-p', 'c0ffee44', podAddresses[4][0]]);
    const good = await wire.receive(
      (frame) => frame.length > 140 && marked(frame),
      'a packet of the endpoint',
    );
    await pod.receive(marked, 'the packet in the pod');
    /** With a checksum of 0 there is none to be made right (RFC 768). */
    const unchecked = (frame: Buffer): Buffer => {
      const copy = Buffer.from(frame);
      copy.writeUInt16BE(0, 14 + 20 + 6);
      return copy;
    };
    const lastByte = (frame: Buffer, value: number): Buffer => {
      const copy = unchecked(frame);
      copy[copy.length - 1] = value;
      return copy;
    };
    attacker.send(lastByte(ofAnother(good, vniEnd), 1));
    attacker.send(lastByte(fromElsewhere(good), 2));
    const first = await pod.receive((frame) => marked(frame) && frame.at(-1)! < 3, 'a packet that is let in');
    expect(first.at(-1)).toBe(2);
  });

  it('gives the pod an MTU that fits, so that the pod’s own kernel answers what is too large', async () => {
    const [client] = stage.pods;
    expect(client.route.link('nsm0')).toMatchObject({ kind: 'vxlan', mtu: 1450 });
    const { output } = await ping(client.name, podAddresses[4][1], { size: 1423, df: true });
    expect(output).toMatch(/message too long, mtu[=:] ?1450/);
  });
});
