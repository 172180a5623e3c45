// Links on the real kernel, with `ip` as the oracle.
import { leaks, withNamespaces } from '@nsm/testkit';
import { expect, it } from 'vitest';
import { RouteSocket } from './route-socket.js';

it('x', () =>
  withNamespaces(['a'], (a) => {
    expect(a.route.link('lo')?.up).toBe(true);
    expect(a.route).toBeInstanceOf(RouteSocket);
  }));
it('l', () => expect(leaks()).toEqual([]));
