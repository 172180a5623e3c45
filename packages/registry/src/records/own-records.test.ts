// Managers write their own records, whatever their calls say.
import { create } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema, type NsmError, SubjectSchema, registry as wire } from '@nsm/api';
import { beforeEach, describe, expect, it } from 'vitest';
import { ownEndpoint, ownName, ownRemoval } from './own-records.js';
import { RecordCache } from './record-cache.js';

const manager = (name: string) => ({ domain: 'nsm', kind: 'manager', name }) as const;
const endpoint = (host: string) =>
  create(NetworkServiceEndpointSchema, {
    networkServiceName: 's',
    nseProviderName: 'e',
    networkServiceHost: host,
    nseProviderNamespace: 'default',
  });
const kindOf = (work: () => unknown): string => {
  try {
    work();
    return '';
  } catch (error) {
    return (error as NsmError).kind;
  }
};

describe('ownName', () => {
  const known = {
    managers: new Map([['f', create(wire.ManagerSchema, { name: 'f', trustDomain: 'other' })]]),
  };
  it('is that of the certificate', () => {
    expect(ownName(known, manager('a'), 'a')).toBe('a');
    expect(ownName(known, undefined, 'b')).toBe('b');
    expect(kindOf(() => ownName(known, manager('a'), 'b'))).toBe('untrusted');
    expect(kindOf(() => ownName(known, { domain: 'nsm', kind: 'registry', name: 'a' }, 'a'))).toBe(
      'untrusted',
    );
  });

  it('is that of a manager of the same trust domain', () => {
    expect(kindOf(() => ownName(known, manager('f'), 'f'))).toBe('untrusted');
    expect(ownName(known, { ...manager('f'), domain: 'other' }, 'f')).toBe('f');
  });
});

describe('endpoints', () => {
  let cache: RecordCache;
  const put = (name: string, alive: boolean) =>
    cache.apply({ case: 'managerPut', value: create(wire.ManagerSchema, { name, alive }) });

  beforeEach(() => {
    cache = new RecordCache();
    put('a', true);
    put('b', true);
    cache.apply({ case: 'endpointPut', value: endpoint('b') });
  });

  it('are written by their own manager', () => {
    expect(ownEndpoint(cache, manager('b'), endpoint('b')).networkServiceHost).toBe('b');
    expect(kindOf(() => ownEndpoint(cache, manager('a'), endpoint('b')))).toBe('untrusted');
    expect(kindOf(() => ownEndpoint(cache, manager('a'), endpoint('')))).toBe('untrusted');
  });

  it('are served by processes of the domain of their manager', () => {
    const said = { ...endpoint('b'), provider: create(SubjectSchema, { uid: 7, domain: 'other' }) };
    expect(ownEndpoint(cache, manager('b'), said).provider).toMatchObject({ uid: 7, domain: 'nsm' });
  });

  it.each([
    ['with TLS', manager('a')],
    ['without', undefined],
  ])('are not taken from a manager that lives, %s', (_, identity) => {
    expect(kindOf(() => ownEndpoint(cache, identity, endpoint('a')))).toBe('conflict');
    put('b', false);
    expect(kindOf(() => ownEndpoint(cache, identity, endpoint('a')))).toBe('');
  });

  it('are removed by their own manager', () => {
    const { networkServiceName, nseProviderName, nseProviderNamespace } = endpoint('');
    const key = { networkServiceName, nseProviderName, nseProviderNamespace };
    expect(ownRemoval(cache, manager('a'), key)).toEqual({ ...key, networkServiceHost: 'a' });
    expect(ownRemoval(cache, undefined, key)).toEqual(key);
    expect(kindOf(() => ownRemoval(cache, manager('a'), { ...key, networkServiceHost: 'b' }))).toBe(
      'untrusted',
    );
  });
});
