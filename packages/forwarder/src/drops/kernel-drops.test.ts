import { expect, it } from 'vitest';
import { parseDrops } from './kernel-drops.js';

const line = (protocol: number, location: string, reason: string): string =>
  `   node-1  [001] ..s1. 610.33: kfree_skb: skbaddr=00000000ae865851 rx_sk=0000000000000000 protocol=${protocol} location=${location} reason: ${reason}\n`;

it('drops are counted by reason and place, without those of every day', () =>
  expect(
    parseDrops(
      `# tracer: nop\n${line(2048, 'nf_hook_slow+0xa1/0xb0', 'NETFILTER_DROP').repeat(3)}${line(2048, 'tcp_v4_rcv+0x9/0x10', 'NO_SOCKET')}` +
        line(34_525, 'ip6_mc_input+0x1/0x2', 'NOT_SPECIFIED'),
    ),
  ).toEqual([
    { reason: 'NETFILTER_DROP', place: 'nf_hook_slow', protocol: 2048, count: 3 },
    { reason: 'NOT_SPECIFIED', place: 'ip6_mc_input', protocol: 34_525, count: 1 },
  ]));
