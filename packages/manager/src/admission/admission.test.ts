// What is refused before anything is touched, and that the refusal says what to do.
import { create } from '@bufbuild/protobuf';
import {
  connect,
  InterfacePreference,
  InterfaceSchema,
  InterfaceType,
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  proxy,
  TunnelSchema,
  TunnelType,
} from '@nsm/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admitConnectionRequest, admitEndpoint, admitProxyRequest } from './admission.js';

const kernel = { type: InterfaceType.KERNEL_INTERFACE };
const request = (more: object) =>
  create(connect.ConnectionRequestSchema, {
    requestId: 'pod-1',
    networkServiceName: 'svc',
    linuxNamespace: 'x',
    interface: [kernel],
    ...more,
  });
const endpoint = (more: object): NetworkServiceEndpoint =>
  create(NetworkServiceEndpointSchema, {
    networkServiceName: 'svc',
    nseProviderName: 'e',
    socketLocation: '/run/e.sock',
    interface: [kernel],
    ...more,
  });

describe('admitConnectionRequest', () => {
  it('takes what is well-formed', () => {
    expect(() => admitConnectionRequest(request({}))).not.toThrow();
    expect(() =>
      admitConnectionRequest(
        request({
          requestId: 'd5a3f1c2-7b1e-4f59-9a43-0c7e1b2f3a4d',
          labels: { selector: { 'app.io/tier': 'gold', half: '.5', below: '-5' } },
        }),
      ),
    ).not.toThrow();
  });
  it.each([
    [{ requestId: '' }, /request_id is empty: send the Pod UID/],
    [{ requestId: 'x'.repeat(254) }, /254 characters/],
    [{ requestId: 'a\nb' }, /"a\\nb"/],
    [{ requestId: 'a/b' }, /request_id/],
    [{ networkServiceName: '' }, /network_service_name is empty/],
    [{ networkServiceName: 'two words' }, /network_service_name "two words"/],
    [{ networkServiceName: '../etc' }, /network_service_name/],
    [{ linuxNamespace: '' }, /linux_namespace is empty/],
    [{ interface: [] }, /list at least one interface/],
    [{ interface: Array.from({ length: 65 }, () => kernel) }, /65 entries; at most 64/],
    [{ interface: [{ type: 17 }] }, /interface type 17 is unknown; known: DEFAULT_INTERFACE/],
    [{ interface: [{ ...kernel, preference: 9 }] }, /preference 9 is unknown/],
    [
      {
        interface: [
          { ...kernel, preference: InterfacePreference.FIRST },
          { type: 3, preference: InterfacePreference.FIRST },
        ],
      },
      /two interfaces have preference 1/,
    ],
    [{ labels: { selector: { 'bad key': 'x' } } }, /label key "bad key"/],
    [{ labels: { selector: { key: 'x'.repeat(64) } } }, /label value/],
  ])('refuses %j', (more, message) => {
    expect(() => admitConnectionRequest(request(more))).toThrowError(message);
  });
  it('refuses or takes any text without breaking, and never takes a control character', {
    timeout: 30_000,
  }, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        try {
          admitConnectionRequest(request({ requestId: text }));
          expect(text).toMatch(/^[A-Za-z0-9._:-]{1,253}$/);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid' });
        }
      }),
    );
  });
});

describe('admitEndpoint', () => {
  it.each([
    [
      {
        interface: [
          {
            type: InterfaceType.MEM_INTERFACE,
            parameters: { interfaceParameters: { ring_size: '5' } },
          },
        ],
      },
      /ring_size "5" must be a power of two from 64/,
    ],
    [{}, undefined],
    [{ networkServiceHost: 'node-a' }, undefined],
    [{ networkServiceHost: 'node-b' }, /this manager is "node-a"/],
    [{ socketLocation: 'relative' }, /absolute path/],
    [{ socketLocation: `/${'x'.repeat(120)}` }, /107 bytes/],
    [{ prefixes: ['10.0.0.0/99'] }, /prefixes: "10.0.0.0\/99" is not an IP prefix/],
    [{ prefixes: ['10.0.0.1/32'] }, /prefixes: 10.0.0.1\/32 has no room/],
    [{ prefixes: ['FF05::/16'] }, /prefixes: ff05::\/16 is a multicast address/],
    [{ interface: [] }, /interface is empty/],
    [{ nseProviderName: '' }, /nse_provider_name is empty/],
  ])('%j', (more, message) => {
    const admit = (): void => admitEndpoint(endpoint(more), 'node-a');
    if (message) expect(admit).toThrowError(message);
    else expect(admit).not.toThrow();
  });
});

describe('addresses of a request or record', () => {
  it('are written in one way from here on, however they came', () => {
    const record = endpoint({ prefixes: ['FD00:60::7/64', '10.60.3.7/16', '::ffff:10.61.0.0/112'] });
    admitEndpoint(record, 'node-a');
    expect(record.prefixes).toEqual(['fd00:60::/64', '10.60.0.0/16', '10.61.0.0/16']);
    const asked = create(proxy.ProxyConnectionRequestSchema, {
      requestId: 'pod-1',
      networkServiceName: 'svc',
      nseProviderName: 'e',
      tunnelType: [{ type: TunnelType.VXLAN, parameters: { address: '::FFFF:10.9.0.1' } }],
      excludedPrefixes: ['FE80::/64', '10.1.2.3/8'],
      addressPairs: [{ client: 'FD60::1/127', endpoint: 'fd60:0::/127', prefix: 'fd60:0:0::/127' }],
    });
    admitProxyRequest(asked);
    expect(asked.tunnelType[0]?.parameters?.address).toBe('10.9.0.1');
    expect(asked.excludedPrefixes).toEqual(['fe80::/64', '10.0.0.0/8']);
    expect(asked.addressPairs).toMatchObject([
      { client: 'fd60::1/127', endpoint: 'fd60::/127', prefix: 'fd60::/127' },
    ]);
  });

  it.each([
    [{ tunnelType: [{ type: TunnelType.VXLAN, parameters: { address: 'fe80::1%eth0' } }] }, /tunnel address/],
    [{ excludedPrefixes: ['10.0.0.0/33'] }, /excluded_prefixes: "10.0.0.0\/33" is not an IP prefix/],
    [
      { addressPairs: [{ client: '10.0.0.3/31', endpoint: '10.0.0.0/31', prefix: '10.0.0.0/31' }] },
      /address pair "10.0.0.3\/31 10.0.0.0\/31" is not the two addresses of a prefix of two/,
    ],
    ...[
      '10.0.0.1/8 10.0.0.2/8 10.0.0.0/8',
      '10.7.0.1/31 10.7.0.1/31 10.7.0.0/31',
      '10.7.0.1/32 10.7.0.0/32 10.7.0.0/31',
    ].map((text): [object, RegExp] => {
      const [client = '', other = '', prefix = ''] = text.split(' ');
      return [
        { addressPairs: [{ client, endpoint: other, prefix }] },
        /is not the two addresses of a prefix of two/,
      ];
    }),
    ...['127.0.0.1', '224.0.0.1', '0.0.0.0', '255.255.255.255', '::1', 'ff02::1', 'fe80::1'].map(
      (address): [object, RegExp] => [
        { tunnelType: [{ type: TunnelType.VXLAN, parameters: { address } }] },
        /tunnel address \S+ (?:is|stands)/,
      ],
    ),
  ])('are refused: %j', (more, message) => {
    const asked = create(proxy.ProxyConnectionRequestSchema, {
      requestId: 'pod-1',
      networkServiceName: 'svc',
      nseProviderName: 'e',
      tunnelType: [{ type: TunnelType.VXLAN }],
      ...more,
    });
    expect(() => admitProxyRequest(asked)).toThrow(message);
  });
});

describe('kinds of tunnel and interface that a later version has', () => {
  const [seventh, seventeenth] = [7 as TunnelType, 17 as InterfaceType];
  const asked = (tunnels: readonly TunnelType[], interfaces: readonly InterfaceType[]) =>
    create(proxy.ProxyConnectionRequestSchema, {
      requestId: 'pod-1',
      networkServiceName: 'svc',
      nseProviderName: 'e',
      tunnelType: tunnels.map((type) => create(TunnelSchema, { type })),
      interface: interfaces.map((type) => create(InterfaceSchema, { type })),
    });

  it('leave the others to agree on', () => {
    const request = asked([seventh, TunnelType.GRE], [seventeenth, InterfaceType.KERNEL_INTERFACE]);
    admitProxyRequest(request);
    expect(request.tunnelType).toMatchObject([{ type: TunnelType.GRE }]);
    expect(request.interface).toMatchObject([{ type: InterfaceType.KERNEL_INTERFACE }]);
  });

  it('are named where there is no other', () => {
    expect(() => admitProxyRequest(asked([seventh], []))).toThrow(/tunnel type 7 is unknown; known: /);
    expect(() => admitProxyRequest(asked([TunnelType.VXLAN], [seventeenth]))).toThrow(
      /interface type 17 is unknown; known: /,
    );
  });
});
