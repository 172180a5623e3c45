// What one manager may have in a registry, and that it is given back.
import { describe, expect, it } from 'vitest';
import { ManagerShares } from './manager-shares.js';

describe('ManagerShares', () => {
  const put = (shares: ManagerShares, key: string, manager: string, bytes: number): void => {
    shares.admitEndpoint(key, manager, bytes);
    shares.addEndpoint(key, manager, bytes);
  };

  it('refuses bytes beyond 32 MiB, of one manager and not of another', () => {
    const shares = new ManagerShares();
    for (let index = 0; index < 512; index++) put(shares, `e${index}`, 'a', 1 << 16);
    expect(() => put(shares, 'more', 'a', 1)).toThrow(/manager "a" has endpoints of 32 MiB/);
    put(shares, 'more', 'b', 1 << 16);
    // Written anew, and smaller.
    put(shares, 'e7', 'a', 1 << 10);
    put(shares, 'e8', 'a', 1 << 16);
    expect(() => put(shares, 'e7', 'a', (1 << 16) + 1)).toThrow(/32 MiB/);
    // Another manager takes one over.
    put(shares, 'e9', 'b', 1 << 16);
    put(shares, 'more', 'a', 1 << 16);
  });

  it('refuses endpoints beyond 65536, and takes others once some are gone', () => {
    const shares = new ManagerShares();
    for (let index = 0; index < 65_536; index++) put(shares, `e${index}`, 'a', 1);
    expect(() => put(shares, 'more', 'a', 1)).toThrow(/65536 endpoints/);
    put(shares, 'e0', 'a', 1);
    shares.removeEndpoint('e0');
    put(shares, 'more', 'a', 1);
  });

  it('refuses claims beyond 4096, and takes others once some are given back', () => {
    const shares = new ManagerShares();
    for (let index = 0; index < 4096; index++) shares.addClaim('a');
    expect(() => shares.admitClaim('a')).toThrow(/4096 claims/);
    shares.admitClaim('b');
    shares.removeClaim('a');
    shares.admitClaim('a');
  });
});
