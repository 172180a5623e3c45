// What ping prints, of iputils 2022 and 2024.
import { expect, it } from 'vitest';
import { readPing } from './ping.js';

const answer = (time: string): string => `64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 ${time} ms\n`;

it('a measurement is the median of the answers', () => {
  const output = `PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n${answer('time=1.20')}${answer('time=0.040')}${answer('time<0.050')}
3 packets transmitted, 3 received, 0% packet loss, time 20ms\nrtt min/avg/max/mdev = 0.040/0.430/1.200/0.001 ms\n`;
  expect(readPing(output)).toEqual({ microseconds: 50, received: 3 });
});

it('a measurement without an answer tells of silence', () => {
  expect(readPing('5 packets transmitted, 0 received, 100% packet loss, time 1ms\n')).toEqual({
    microseconds: null,
    received: 0,
  });
});
