// Addresses given to clients: what is accepted, who gets which, and that a gone client's address is free again.
import type { EndpointRequest } from '@nsm/sdk';
import { describe, expect, it } from 'vitest';
import { ClientAddresses, parseClientAddress } from './client-addresses.js';

function request(requestId: string): EndpointRequest {
  return {
    requestId,
    service: 's',
    interface: 'kernel',
    interfaceParameters: {},
    labels: {},
    connectionId: '',
    interfaceName: '',
    mac: '',
    mtu: 0,
    maxMtu: 0,
  };
}

describe('parseClientAddress', () => {
  it.each([
    ['10.60.1.1/31', { client: '10.60.1.1/31' }],
    ['10.60.1.2/24', { client: '10.60.1.2/24' }],
    ['10.60.1.2/24=10.60.1.1/24', { client: '10.60.1.2/24', endpoint: '10.60.1.1/24' }],
    ['10.60.1.5/32=10.60.1.1/32', { client: '10.60.1.5/32', endpoint: '10.60.1.1/32' }],
    ['FD00:0::BEEF/127', { client: 'fd00::beef/127' }],
    ['::ffff:10.60.1.5/120=10.60.1.1/24', { client: '10.60.1.5/24', endpoint: '10.60.1.1/24' }],
  ])('reads %s', (text, expected) => expect(parseClientAddress(text)).toEqual(expected));

  it.each(['', '10.0.0.1', '10.0.0.1/33', 'a/8', '10.0.0.1/24=', '10.0.0.1/8/8'])('refuses "%s"', (text) =>
    expect(() => parseClientAddress(text)).toThrow(/not an address with prefix length/),
  );
});

describe('parseClientAddress, of what no connection can have,', () => {
  it.each([
    ['10.60.1.5/32', /no other address/],
    ['fd00::5/128', /no other address/],
    ['10.60.1.5/24=10.60.1.5/32', /the same address/],
    ['FD00::5/64=fd00:0::5/64', /the same address/],
    [
      '10.63.1.5/24=fd00::1/64',
      /gives the client an IPv4 address and the endpoint an IPv6 one: give each pair in one version/,
    ],
    ['224.0.0.1/24=10.0.0.1/24', /224.0.0.1\/24 is a multicast address/],
    ['10.0.0.5/24=10.0.0.255/24', /10.0.0.255\/24 is the broadcast address/],
  ])('says why: %s', (text, message) => expect(() => parseClientAddress(text)).toThrow(message));
});

describe('ClientAddresses', () => {
  it('leaves addresses to the manager when it has none', () => {
    expect(new ClientAddresses([]).take(request('a'))).toEqual({});
  });

  it('gives each client one address of each family, the same again, and refuses when they are used up', () => {
    const pool = new ClientAddresses(
      ['10.0.0.1/31', 'fd00::1/127', '10.0.0.3/31', 'fd00::3/127'].map(parseClientAddress),
    );
    const first = {
      addresses: ['10.0.0.1/31', 'fd00::1/127'],
      endpointAddresses: [],
    };
    expect(pool.take(request('a'))).toEqual(first);
    expect(pool.take(request('b')).addresses).toEqual(['10.0.0.3/31', 'fd00::3/127']);
    expect(pool.take(request('a'))).toEqual(first);
    expect(pool.take(request('c'))).toEqual({ refuse: 'all 2 IPv4 addresses of the endpoint are taken' });
    pool.release(request('b'));
    expect(pool.take(request('c')).addresses).toEqual(['10.0.0.3/31', 'fd00::3/127']);
  });
});
