// What another manager may choose when it answers: only what was proposed, and nothing of the client's interface but its type.
import { create, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import { InterfaceSchema, InterfaceType, proxy, TunnelSchema, TunnelType } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { judgeProxyReply } from './proxy-reply.js';

const { KERNEL_INTERFACE: KERNEL, HW_INTERFACE: HW, MEM_INTERFACE: MEM } = InterfaceType;
const interfaceOf = (type: InterfaceType, name: string) =>
  create(InterfaceSchema, { type, parameters: { interfaceParameters: { name } } });
const proposal = {
  interfaces: [interfaceOf(KERNEL, 'mine'), interfaceOf(HW, 'wire')],
  tunnels: [create(TunnelSchema, { type: TunnelType.VXLAN, parameters: { address: '10.9.0.1', mtu: 1450 } })],
  identifiers: [7, 8],
  pairs: [{ client: '10.60.0.7/31', endpoint: '10.60.0.6/31', prefix: '10.60.0.6/31' }],
  calledAt: '10.9.0.3',
};

type Reply = Exclude<MessageInitShape<typeof proxy.ProxyConnectionReplySchema>, Message>;
const good = {
  halfId: 'c0ffee-1',
  interface: { type: KERNEL, parameters: { interfaceParameters: { name: 'eth0', mtu: '68' } } },
  tunnel: { type: TunnelType.VXLAN, parameters: { address: '10.9.0.2', identifier: 8, port: 4789 } },
  connectionParameters: { addresses: ['10.60.0.1/31'] },
} satisfies Reply;
const parameters = good.tunnel.parameters;

const judge = (reply: Reply) =>
  judgeProxyReply('b', create(proxy.ProxyConnectionReplySchema, { ...good, ...reply } as Reply), proposal);

describe('judgeProxyReply', () => {
  it('takes the choice, and leaves the client what it asked for', () => {
    expect(judge({})).toMatchObject({
      chosen: { type: KERNEL, parameters: { interfaceParameters: { name: 'mine' } } },
      tunnel: { identifier: 8, local: '10.9.0.1', remote: '10.9.0.2', port: 4789 },
    });
    expect(judge({ interface: { type: HW }, tunnel: undefined }).tunnel).toBeUndefined();
  });

  it('takes what is left out for what was proposed', () => {
    const least = { type: TunnelType.VXLAN, parameters: { identifier: 7 } };
    const left = { tunnel: least, interface: undefined, connectionParameters: undefined, halfId: '' };
    expect(judge(left)).toMatchObject({
      chosen: { type: KERNEL, parameters: { interfaceParameters: { name: 'mine' } } },
      told: { addresses: ['10.60.0.7/31'], peerAddresses: ['10.60.0.6'] },
      mtu: 1450,
      tunnel: { identifier: 7, local: '10.9.0.1', remote: '10.9.0.3' },
    });
    expect(judge({ connectionParameters: { address: '10.60.0.7/31' } })).toMatchObject({
      told: { addresses: ['10.60.0.7/31'], peerAddresses: ['10.60.0.6'] },
    });
    expect(judge({})).toMatchObject({ told: { addresses: ['10.60.0.1/31'], peerAddresses: [] } });
  });

  it.each([
    [0, 0, 1450],
    [0, 1400, 1400],
    [1300, 1400, 1300],
    [9000, 9000, 1450],
  ])('of connection_parameters.mtu %d and a tunnel of %d bytes makes %d', (told, carries, mtu) => {
    const { tunnel } = good;
    const reply = {
      connectionParameters: { ...good.connectionParameters, mtu: told },
      tunnel: { ...tunnel, parameters: { ...parameters, mtu: carries } },
    };
    expect(judge(reply).mtu).toBe(mtu);
  });

  it.each<[Reply, RegExp]>([
    [{ interface: { type: MEM } }, /interface MEM_INTERFACE was not proposed/],
    [{ tunnel: undefined }, /tunnel none was not proposed/],
    [{ tunnel: { type: TunnelType.GRE, parameters } }, /tunnel GRE was not proposed/],
    [{ tunnel: { ...good.tunnel, parameters: { ...parameters, identifier: 9 } } }, /identifier 9 was not/],
    [{ tunnel: { ...good.tunnel, parameters: { ...parameters, address: 'x.org' } } }, /no.* IP address/],
    [{ tunnel: { ...good.tunnel, parameters: { ...parameters, address: '127.0.0.1' } } }, /loopback/],
    [{ tunnel: { ...good.tunnel, parameters: { ...parameters, address: '224.0.0.9' } } }, /multicast/],
    [{ tunnel: { ...good.tunnel, parameters: { ...parameters, port: 65_536 } } }, /port 65536/],
    [{ clientSources: ['10.0.0.0/8', 'x'] }, /client_sources "x" is no network/],
    [{ halfId: 'x\n' }, /half_id/],
    [{ halfId: 'x'.repeat(65) }, /half_id/],
    [{ endpointInterface: { type: 99 as InterfaceType } }, /endpoint_interface type 99/],
    [{ tunnel: { type: TunnelType.VXLAN } }, /tunnel identifier 0 was not proposed/],
  ])('refuses %o', (reply, why) => {
    expect(() => judge(reply)).toThrow(why);
    expect(() => judge(reply)).toThrow(/^manager "b" gave an answer that cannot be used/);
  });
});
