// Sockets of endpoints that die.
import { waitFor } from '@nsm/testkit';
import { expect, it } from 'vitest';
import { EndpointSockets } from './endpoint-sockets.js';

it('no endpoint is taken on for a process that has died', async () => {
  const listener = { pid: process.pid, uid: 0, gid: 0 };
  const dead: string[] = [];
  const sockets = new EndpointSockets((_socket, keys) => dead.push(...keys));
  const socket = sockets.join('one', '/nowhere/echo.sock', listener);
  expect(sockets.join('two', '/nowhere/echo.sock', listener)).toBe(socket);
  await waitFor(() => dead.length > 0);
  expect(dead).toEqual(['one', 'two']);
  expect(sockets.join('three', '/nowhere/echo.sock', listener)).not.toBe(socket);
  await waitFor(() => dead.length === 3);
  expect(dead.at(-1)).toBe('three');
  sockets.close();
});
