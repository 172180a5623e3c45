// What the manager asks its policy, and what stands in its place where there is none.
import { create } from '@bufbuild/protobuf';
import { type Interface, InterfaceSchema, InterfaceType, NetworkServiceEndpointSchema } from '@nsm/api';
import { parseSubject } from '@nsm/policy';
import { parsePolicy } from '@nsm/policy/parse';
import { describe, expect, it } from 'vitest';
import { admitGiven, Gate } from './gate.js';
import { foreignClient } from './subjects.js';

const { KERNEL_INTERFACE, MEM_INTERFACE } = InterfaceType;
const of = (type: InterfaceType, interfaceParameters: Record<string, string> = {}): Interface =>
  create(InterfaceSchema, { type, parameters: { interfaceParameters } });
const kernel = of(KERNEL_INTERFACE);
const memif = of(MEM_INTERFACE);
const endpoint = (who: string, more: object = {}) =>
  create(NetworkServiceEndpointSchema, {
    networkServiceName: 'svc',
    networkServiceHost: 'node-b',
    nseProviderName: 'one',
    interface: [kernel],
    provider: parseSubject(who),
    ...more,
  });
const recorded: unknown[] = [];
const gate = (text?: string): Gate =>
  new Gate({
    source: { policy: text === undefined ? undefined : parsePolicy(text, 'p') },
    audit: { decision: (...line) => recorded.push(line) },
  });
const client = parseSubject('uid=1000');

describe('without a policy', () => {
  it('everything is allowed but what needs leave', () => {
    const off = of(KERNEL_INTERFACE, { source_check: 'off' });
    expect(gate().permits(client, endpoint('uid=5'), kernel).allowed).toBe(true);
    expect(gate().permits(client, endpoint('uid=5'), off)).toMatchObject({ allowed: false, rule: '' });
    const root = { ...client, trusted: true };
    expect(gate().permits(root, endpoint('uid=5'), off).allowed).toBe(true);
  });
});

describe('with a policy', () => {
  const some = `rules:
  - { name: kernels, effect: allow, interfaces: kernel, prefixes: 10.0.0.0/8 }
  - { name: root, effect: allow, subjects: [{ uid: 0 }] }`;

  it('a client keeps those interfaces that it may have', () => {
    const { interfaces } = gate(some).narrow(client, endpoint('uid=5'), [memif, kernel]);
    expect(interfaces).toEqual([kernel]);
    expect(() => gate(some).admitClient(client, endpoint('uid=5'), [memif])).toThrow(
      expect.objectContaining({
        kind: 'policy',
        message: 'network service "svc": not allowed by rule "default"',
      }),
    );
  });

  it('an endpoint that may not be provided is none, whatever its own manager let through', () => {
    const { verdict } = gate(some).narrow(parseSubject('uid=0'), endpoint('uid=5'), [memif]);
    expect(verdict).toMatchObject({ allowed: false, rule: 'default' });
  });

  it('an endpoint gives addresses from its prefixes alone, and no other routes', () => {
    const wide = endpoint('uid=5', { prefixes: ['10.1.0.0/16', '192.168.0.0/16'] });
    expect(gate(some).provides(wide)).toMatchObject({ allowed: false, rule: 'kernels' });
    const narrow = endpoint('uid=5', { prefixes: ['10.1.0.0/16'] });
    const verdict = gate(some).permits(client, narrow, kernel);
    expect(verdict.allowed).toBe(true);
    expect(() =>
      admitGiven('svc', verdict, { addresses: ['10.7.7.7/8'], routes: ['0.0.0.0/0'] }),
    ).not.toThrow();
    expect(() => admitGiven('svc', verdict, { addresses: ['192.168.1.1/32'], routes: [] })).toThrow(
      expect.objectContaining({ kind: 'policy', message: expect.stringContaining('rule "kernels"') }),
    );
    const routed = gate(some.replace('prefixes', 'routes')).permits(client, narrow, kernel);
    expect(() => admitGiven('svc', routed, { addresses: [], routes: ['10.1.0.0/16', '0.0.0.0/0'] })).toThrow(
      expect.objectContaining({ message: expect.stringContaining('route "0.0.0.0/0"') }),
    );
  });

  it('each denial is recorded', () => {
    recorded.length = 0;
    expect(() => gate(some).admitProvider(endpoint('uid=5', { interface: [memif] }))).toThrow();
    expect(() => gate('rules: []').admitUnprovided(client, 'none')).toThrow();
    expect(recorded).toMatchObject([
      ['provide', { uid: 5 }, { endpoint: 'one' }, { allowed: false }],
      ['request', { uid: 1000 }, { service: 'none' }, { allowed: false }],
    ]);
  });
});

describe('the client of another manager', () => {
  const said = parseSubject('uid=0,manager=node-x,domain=x');
  it('is of the manager that the certificate names', () => {
    const identity = { domain: 'd', kind: 'manager', name: 'node-b' } as const;
    expect(foreignClient(said, 'node-c', { identity })).toMatchObject({
      uid: 0,
      manager: 'node-b',
      domain: 'd',
    });
    expect(foreignClient(said, 'node-c', {})).toMatchObject({ manager: 'node-c', domain: 'nsm' });
  });
  it('is nobody when that manager says nothing of it', () => {
    expect(foreignClient(undefined, 'node-c', {}).uid).toBeUndefined();
  });
});
