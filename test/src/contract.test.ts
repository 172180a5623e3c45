// Golden bytes, written by hand from the field numbers of nsm-api.md, against the generated messages, both directions:
// whatever becomes of the proto files, what travels stays the same.
import {
  create,
  type DescMessage,
  type DescService,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  ConnectionParametersSchema,
  connect,
  endpoint,
  InterfaceParametersSchema,
  InterfacePreference,
  InterfaceSchema,
  InterfaceType,
  LabelSchema,
  NetworkServiceEndpointSchema,
  proxy,
  TunnelSchema,
  TunnelType,
} from '@nsm/api';
import { describe, expect, it } from 'vitest';

/** Hexadecimal digits, and text in quotes: `0a 03 'abc'`. A tag is the field number times 8, plus 2 for length-delimited. */
const bytesOf = (golden: string): Buffer =>
  Buffer.concat(
    (golden.match(/'[^']*'|[0-9a-f]{2}/g) ?? []).map((part) =>
      part.startsWith("'") ? Buffer.from(part.slice(1, -1)) : Buffer.from(part, 'hex'),
    ),
  );

/** Generated code reads the golden bytes as `value`, and writes `value` as the golden bytes. */
const agrees = <S extends DescMessage>(schema: S, golden: string, value: MessageInitShape<S>): void => {
  const bytes = bytesOf(golden);
  const known = create(schema, value);
  expect(fromBinary(schema, bytes)).toEqual(known);
  expect(Buffer.from(toBinary(schema, known)).toString('hex')).toBe(bytes.toString('hex'));
};

// Interface {type: KERNEL, preference: FIRST} and {type: MEM, preference: SECOND}: 1 and 3, not 2.
const kernelFirst = '08 01 18 01';
const memSecond = '08 03 18 02';

describe('messages of the specification', () => {
  it('ConnectionRequest', () => {
    const golden = `0a 03 'uid' 12 02 'gw' 1a 08 'net:[42]' 22 04 ${kernelFirst} 22 04 ${memSecond}`;
    agrees(connect.ConnectionRequestSchema, golden, {
      requestId: 'uid',
      networkServiceName: 'gw',
      linuxNamespace: 'net:[42]',
      interface: [
        { type: InterfaceType.KERNEL_INTERFACE, preference: InterfacePreference.FIRST },
        { type: InterfaceType.MEM_INTERFACE, preference: InterfacePreference.SECOND },
      ],
    });
  });

  it('ConnectionReply', () => {
    agrees(connect.ConnectionReplySchema, `08 01 1a 0d 0a 0b '10.0.0.1/31' 22 02 08 01`, {
      accepted: true,
      connectionParameters: { address: '10.0.0.1/31' },
      interface: { type: InterfaceType.KERNEL_INTERFACE },
    });
    agrees(connect.ConnectionReplySchema, `12 04 'full'`, { accepted: false, admissionError: 'full' });
  });

  it('EndpointAdvertiseRequest and NetworkServiceEndpoint', () => {
    const fields = `0a 02 'gw' 12 06 'node-a' 1a 02 'e1' 22 04 'blue' 2a 05 '/s/e1' 32 04 ${kernelFirst} 32 04 ${memSecond}`;
    const record = {
      networkServiceName: 'gw',
      networkServiceHost: 'node-a',
      nseProviderName: 'e1',
      nseProviderNamespace: 'blue',
      socketLocation: '/s/e1',
      interface: [
        { type: InterfaceType.KERNEL_INTERFACE, preference: InterfacePreference.FIRST },
        { type: InterfaceType.MEM_INTERFACE, preference: InterfacePreference.SECOND },
      ],
    };
    agrees(NetworkServiceEndpointSchema, fields, record);
    agrees(endpoint.EndpointAdvertiseRequestSchema, `0a 29 ${fields} 0a 08 0a 02 'gw' 1a 02 'e2'`, {
      networkEndpoint: [record, { networkServiceName: 'gw', nseProviderName: 'e2' }],
    });
  });

  it('EndpointAdvertiseReply', () => {
    agrees(endpoint.EndpointAdvertiseReplySchema, '08 01', { accepted: true });
    agrees(endpoint.EndpointAdvertiseReplySchema, `12 02 'no'`, { accepted: false, admissionError: 'no' });
  });

  it('ProxyConnectionRequest', () => {
    agrees(proxy.ProxyConnectionRequestSchema, `0a 03 'uid' 12 02 'gw' 1a 02 'e1' 22 02 08 01 22 02 08 02`, {
      requestId: 'uid',
      networkServiceName: 'gw',
      nseProviderName: 'e1',
      tunnelType: [{ type: TunnelType.VXLAN }, { type: TunnelType.GRE }],
    });
  });

  it('ProxyConnectionReply: the tunnel is field 4', () => {
    agrees(proxy.ProxyConnectionReplySchema, '08 01 22 02 08 03', {
      accepted: true,
      tunnel: { type: TunnelType.VXLAN_GRE },
    });
    agrees(proxy.ProxyConnectionReplySchema, `12 02 'no'`, { accepted: false, admissionError: 'no' });
  });

  it('EndpointConnectionRequest', () => {
    agrees(endpoint.EndpointConnectionRequestSchema, `0a 03 'uid' 12 02 'gw'`, {
      requestId: 'uid',
      networkServiceName: 'gw',
    });
  });

  it('EndpointConnectionReply', () => {
    agrees(endpoint.EndpointConnectionReplySchema, `0a 03 'uid' 12 02 'gw' 1a 08 'net:[42]'`, {
      requestId: 'uid',
      networkServiceName: 'gw',
      linuxNamespace: 'net:[42]',
    });
  });

  it('Interface: parameters are field 4', () => {
    agrees(InterfaceSchema, '08 05 18 05 22 00', {
      type: InterfaceType.HW_INTERFACE,
      preference: InterfacePreference.FIFTH,
      parameters: {},
    });
    agrees(InterfaceParametersSchema, '', {});
  });

  it('Tunnel', () => {
    agrees(TunnelSchema, '08 06', { type: TunnelType.MPLSoEthernet });
  });

  it('Label', () => {
    agrees(LabelSchema, `0a 0b 0a 03 'app' 12 04 'vpn1'`, { selector: { app: 'vpn1' } });
  });

  it('ConnectionParameters', () => {
    agrees(ConnectionParametersSchema, `0a 0b '10.0.0.1/31' 12 0a '10.0.0.0/8' 12 04 '::/0'`, {
      address: '10.0.0.1/31',
      route: ['10.0.0.0/8', '::/0'],
    });
  });
});

describe('enums of the specification', () => {
  const numbersOf = (values: Readonly<Record<string, string | number>>): [string, number][] =>
    Object.entries(values).filter((entry): entry is [string, number] => typeof entry[1] === 'number');

  it('InterfaceType', () => {
    expect(numbersOf(InterfaceType)).toEqual([
      ['DEFAULT_INTERFACE', 0],
      ['KERNEL_INTERFACE', 1],
      ['VHOST_INTERFACE', 2],
      ['MEM_INTERFACE', 3],
      ['SRIOV_INTERFACE', 4],
      ['HW_INTERFACE', 5],
    ]);
  });

  it('InterfacePreference, its slip of the pen mended', () => {
    expect(numbersOf(InterfacePreference)).toEqual([
      ['NO_PREFERENCE', 0],
      ['FIRST', 1],
      ['SECOND', 2],
      ['THIRD', 3],
      ['FOURTH', 4],
      ['FIFTH', 5],
    ]);
  });

  it('TunnelType', () => {
    expect(numbersOf(TunnelType)).toEqual([
      ['DEFAULT_TUNNEL', 0],
      ['VXLAN', 1],
      ['GRE', 2],
      ['VXLAN_GRE', 3],
      ['MPLSoGRE', 4],
      ['MPLSoUDP', 5],
      ['MPLSoEthernet', 6],
    ]);
  });
});

describe('additions', () => {
  const messages: readonly (readonly [schema: DescMessage, specified: readonly number[]])[] = [
    [connect.ConnectionRequestSchema, [1, 2, 3, 4]],
    [connect.ConnectionReplySchema, [1, 2, 3, 4]],
    [endpoint.EndpointAdvertiseRequestSchema, [1]],
    [endpoint.EndpointAdvertiseReplySchema, [1, 2]],
    [endpoint.EndpointConnectionRequestSchema, [1, 2]],
    [endpoint.EndpointConnectionReplySchema, [1, 2, 3]],
    [proxy.ProxyConnectionRequestSchema, [1, 2, 3, 4]],
    [proxy.ProxyConnectionReplySchema, [1, 2, 4]],
    [NetworkServiceEndpointSchema, [1, 2, 3, 4, 5, 6]],
    [InterfaceSchema, [1, 3, 4]],
    [TunnelSchema, [1]],
    [LabelSchema, [1]],
    [ConnectionParametersSchema, [1, 2]],
  ];

  it.each(messages)('%s has what is specified below 100, and nothing else there', ({ fields }, specified) => {
    expect(fields.map(({ number }) => number).filter((number) => number < 100)).toEqual(specified);
  });
});

describe('names that clients of the original system call', () => {
  const services: readonly (readonly [service: DescService, name: string, method: string])[] = [
    [connect.ClientConnection, 'nsmconnect.ClientConnection', 'RequestConnection'],
    [endpoint.EndpointOperations, 'nseconnect.EndpointOperations', 'AdvertiseEndpoint'],
    [endpoint.EndpointConnection, 'nseconnect.EndpointConnection', 'RequestEndpointConnection'],
    [proxy.ProxyConnection, 'nsmproxy.ProxyConnection', 'RequestProxyConnection'],
  ];

  it.each(services)('%s is %s/%s', (service, name, method) => {
    expect(service.typeName).toBe(name);
    expect(service.methods.find((known) => known.name === method)?.methodKind).toBe('unary');
  });
});
