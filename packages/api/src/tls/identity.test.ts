// Who a certificate says that its owner is.
import { describe, expect, it } from 'vitest';
import { isIdentityName, isTrustDomain, parseSpiffeId, spiffeIdOf, urisOf } from './identity.js';

describe('an identity', () => {
  it('is read as it is written', () => {
    const identity = { domain: 'prod.example', kind: 'registry', name: 'Node-1.a_b' } as const;
    expect(parseSpiffeId(spiffeIdOf(identity))).toEqual(identity);
    const operator = { domain: 'nsm', kind: 'operator', name: 'alice' } as const;
    expect(parseSpiffeId(spiffeIdOf(operator))).toEqual(operator);
  });

  it.each([
    'spiffe://nsm/manager/',
    'spiffe://nsm/manager/a/b',
    'spiffe://nsm/manager/a?x',
    'spiffe://nsm/manager/..',
    'spiffe://nsm/manager/a b',
    'spiffe://nsm/manager/ä',
    'spiffe://NSM/manager/a',
    'spiffe:///manager/a',
    'spiffe://nsm:443/manager/a',
    'spiffe://nsm/workload/a',
    'https://nsm/manager/a',
    ` spiffe://nsm/manager/a`,
    `spiffe://nsm/manager/${'a'.repeat(254)}`,
  ])('is not %s', (id) => {
    expect(parseSpiffeId(id)).toBeUndefined();
  });

  it('is not what Node.js quotes, or what is inside another name', () => {
    expect(urisOf('URI:spiffe://nsm/manager/a, DNS:b')).toEqual(['spiffe://nsm/manager/a']);
    expect(urisOf('DNS:"b, URI:spiffe://nsm/manager/a, c"')).toEqual([]);
  });

  it('has names and domains of few characters', () => {
    expect(['a', 'node-1', 'A.b_c'].every(isIdentityName)).toBe(true);
    expect(['', '-a', 'a-', 'a b', 'a/b', 'a@b'].some(isIdentityName)).toBe(false);
    expect(['nsm', 'prod.example'].every(isTrustDomain)).toBe(true);
    expect(['', 'A', 'a/b', '.a'].some(isTrustDomain)).toBe(false);
  });
});
