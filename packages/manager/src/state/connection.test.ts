// What follows from a connection's name, and how a reason is told.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { macOf, withCause } from './connection.js';

it('hardware addresses are local, of one device, another at each side, and not like IP behind a label', () => {
  fc.assert(
    fc.property(fc.string(), (hash) => {
      const [client, endpoint] = [macOf(hash, 'client'), macOf(hash, 'endpoint')];
      for (const mac of [client, endpoint]) expect(mac).toMatch(/^0[26ae](:[0-9a-f]{2}){5}$/);
      expect(client).not.toBe(endpoint);
    }),
  );
});

it('a reason says nothing twice', () => {
  expect(withCause('gone', 'no endpoint')).toBe('gone; no endpoint');
  expect(withCause('gone; no endpoint', 'no endpoint')).toBe('gone; no endpoint');
});
