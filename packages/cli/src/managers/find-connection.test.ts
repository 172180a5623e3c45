import { expect, it } from 'vitest';
import { namedConnection } from './find-connection.js';

const all = [
  { id: 'node-a:0a947db5-16ddaf742b3a6f4f', requestId: 'bob' },
  { id: 'node-a:0a947db5-16eebc9865ab734b', requestId: 'alice' },
  { id: 'node-a:0a947db5-d0e0e0cc2386d5a8', requestId: 'alice' },
];

it.each([
  ['its id', 'node-a:0a947db5-16ddaf742b3a6f4f'],
  ['its request id', 'bob'],
  ['how its own part begins', '16d'],
  ['how its id begins', 'node-a:0a947db5-16d'],
])('finds a connection by %s', (_, name) => expect(namedConnection(all, name)).toBe(all[0]));

it('says which there are where a name fits several, or none', () => {
  expect(() => namedConnection(all, 'alice')).toThrow(
    /^"alice" names several connections: node-a:0a947db5-16ee\w+ \(request alice\), node-a:0a947db5-d0e0\w+ \(request alice\)/,
  );
  expect(() => namedConnection(all, '16')).toThrow(/names several connections/);
  expect(() => namedConnection(all, 'carol')).toThrow(/^no connection "carol"; known: .*\(request bob\)/);
  expect(() => namedConnection([], 'carol')).toThrow('no connection "carol"; there is none on this node');
});
