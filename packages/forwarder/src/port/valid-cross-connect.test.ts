// What is wanted of the kernel is written as the kernel writes it, however it came.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { validCrossConnect } from './valid-cross-connect.js';

const port = { type: InterfaceType.KERNEL_INTERFACE, name: 'nsm%d' };

describe('validCrossConnect', () => {
  it('has one text for every address', () => {
    const valid = validCrossConnect(
      create(fw.CrossConnectSchema, {
        id: 'a:1-2',
        client: {
          ...port,
          addresses: ['FD00:66::0005/64', '::ffff:10.0.0.1/127', '10.0.0.9'],
          peerAddresses: ['FD00:66::0001', '::FFFF:10.0.0.0'],
          routes: [{ destination: 'FD00:99::7/32', gateway: 'FD00:66:0::1' }, { destination: '10.1.2.3/8' }],
        },
        tunnel: { local: '::ffff:10.9.0.1', remote: 'FD09::2' },
      }),
    );
    expect(valid).toMatchObject({
      client: {
        addresses: ['fd00:66::5/64', '10.0.0.1/31', '10.0.0.9/32'],
        peerAddresses: ['fd00:66::1', '10.0.0.0'],
        routes: [
          { destination: 'fd00:99::/32', gateway: 'fd00:66::1' },
          { destination: '10.0.0.0/8', gateway: '' },
        ],
      },
      tunnel: { local: '10.9.0.1', remote: 'fd09::2' },
    });
  });

  it.each([
    [{ name: 'a/b' }, /cannot name an interface/],
    [{ addresses: ['10.0.0.300/8'] }, /"10.0.0.300\/8" is not an IP address/],
    [{ peerAddresses: ['10.0.0.1/8'] }, /is not an IP address/],
    [{ routes: [{ destination: 'default' }] }, /is not an IP address/],
  ])('refuses %j', (wrong, message) => {
    const crossConnect = create(fw.CrossConnectSchema, { endpoint: { ...port, ...wrong } });
    expect(() => validCrossConnect(crossConnect)).toThrow(message);
  });
});
