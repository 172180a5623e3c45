// What a host can have for an address, and what can be routed to.
import { describe, expect, it } from 'vitest';
import { whyNoDestination, whyNoHostAddress } from './host-address.js';
import { IpPrefix } from './ip-prefix.js';

describe('whyNoHostAddress', () => {
  it.each([
    ['10.0.0.5/24', ''],
    ['10.0.0.0/31', ''],
    ['10.0.0.0/32', ''],
    ['10.0.0.255', ''],
    ['169.254.7.5/16', ''],
    ['fd00::5/64', ''],
    ['fd00::/127', ''],
    ['fd00::ffff:ffff:ffff:ffff/64', ''],
    ['10.0.0.5/0', 'all addresses'],
    ['10.4.8.5/1', 'begins with 0'],
    ['3.0.0.5/6', 'begins with 0'],
    ['4.0.0.5/6', ''],
    ['10.0.0.0/24', 'address of its network'],
    ['10.0.0.255/24', 'broadcast'],
    ['0.0.0.0/0', 'this network'],
    ['127.0.0.5/8', 'loopback'],
    ['224.0.0.5/24', 'multicast'],
    ['250.0.0.1/24', 'class E'],
    ['255.255.255.255', 'class E'],
    ['::', 'unspecified'],
    ['::1/64', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:10.0.0.1/64', 'length that is none of IPv4'],
    ['ff02::1/64', 'multicast'],
    ['fe80::5/64', 'link-local'],
    ['fd00::/64', 'all routers'],
  ])('%s: "%s"', (text, why) => {
    expect(whyNoHostAddress(IpPrefix.of(text))).toEqual(why === '' ? '' : expect.stringContaining(why));
  });
});

describe('whyNoDestination', () => {
  it.each([
    ['0.0.0.0/0', ''],
    ['0.0.0.0/1', ''],
    ['128.0.0.0/1', ''],
    ['::/0', ''],
    ['10.0.0.0/8', ''],
    ['0.0.0.0/8', 'this network'],
    ['224.0.0.0/4', 'multicast'],
    ['127.0.0.1/32', 'loopback'],
    ['ff00::/8', 'multicast'],
    ['fe80::/64', 'link-local'],
  ])('%s: "%s"', (text, why) => {
    expect(whyNoDestination(IpPrefix.of(text))).toEqual(why === '' ? '' : expect.stringContaining(why));
  });
});
