import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { admin } from '@nsm/api';
import { endpointView } from '@nsm/views/endpoint-view';
import { describe, expect, it } from 'vitest';
import { findingsOf } from './findings.js';
import { consequencesText } from './handler.js';
import { type StatusView, statusView } from './status-view.js';

const now = Date.parse('2026-06-01T12:00:00Z');

/** A node where all is well, with what is said otherwise. */
function view(more: Partial<StatusView> = {}): StatusView {
  const status = create(admin.ManagerStatusSchema, {
    manager: { name: 'node-a', address: '10.0.0.1:5001', alive: true, security: 'mtls' },
    registry: 'embedded:',
    registrySynced: true,
    certificateSource: '/var/lib/nsm/pki',
    certificateUntil: timestampFromDate(new Date(now + 1000)),
    limits: [{ name: 'connections', limit: 64 }],
  });
  const well = statusView({
    status,
    managers: create(admin.ListManagersReplySchema, {
      managers: [{ name: 'node-a', alive: true, security: 'mtls' }],
    }),
    services: create(admin.ListServicesReplySchema),
    endpoints: create(admin.ListEndpointsReplySchema),
    connections: create(admin.ListConnectionsReplySchema, {
      connections: [{ id: 'node-a:1', requestId: 'pod-1', networkServiceName: 'echo', state: 'UP' }],
    }),
    refusals: create(admin.ListRefusalsReplySchema),
  });
  return { ...well, ...more };
}

const certificate = {
  source: 'files',
  validUntil: new Date(now + 1000).toISOString(),
  error: '',
  endsSoon: false,
};
const [upConnection] = view().connections;
const [aliveManager] = view().managers;
if (!upConnection || !aliveManager) throw new Error('the view of a well node lacks its parts');

describe('findings of a status', () => {
  it('tells of each way that loses large packets, with the command that mends it and the run folder in others', () => {
    const narrow = { carries: 1350, device: 'eth0', via: '10.0.0.254', underlayMtu: 1400 };
    const tunnel = { type: 'GRE', local: '10.0.0.1', remote: '10.0.0.2', identifier: 7, port: 0 };
    const one = { ...upConnection, peerManager: 'node-b', tunnel, narrow };
    const unknown = { ...one, peerManager: 'node-c', narrow: { ...narrow, device: '' } };
    const found = findingsOf(view({ connections: [one, one, unknown] }), now, '/tmp/run');
    expect(found.map(({ code, level, what, toDo }) => [code, level, what.slice(0, 60), toDo])).toEqual([
      [
        'NSM0956',
        'warning',
        'packets above 1350 bytes do not come back from node-b by GRE',
        'ip route replace 10.0.0.2 via 10.0.0.254 dev eth0 mtu lock 1400',
      ],
      [
        'NSM0956',
        'warning',
        'packets above 1350 bytes do not come back from node-c by GRE',
        'nsm check --only network --run-dir /tmp/run',
      ],
    ]);
    expect(found[0]?.what).toContain('the MTU of 2 connections is larger');
  });

  it('has none where all is well', () => expect(findingsOf(view(), now)).toEqual([]));

  it.each<[string, Partial<StatusView>, string, RegExp]>([
    ['a forwarder that is away', { forwarderError: 'no forwarder at /x' }, 'broken', /no forwarder at \/x/],
    [
      'a state folder that cannot be written',
      { state: { folder: '/s', error: 'nothing can be written to /s: full', standIn: '' } },
      'broken',
      /^nothing can be written to \/s: full; connections go on/,
    ],
    [
      'a copy in place of the state folder',
      { state: { folder: '/s', error: '', standIn: '/run/nsm/state-dir' } },
      'warning',
      /\/s could not be written at the start: a copy in \/run\/nsm\/state-dir stands in/,
    ],
    ['a silent registry', { registrySynced: false }, 'broken', /registry embedded: does not answer/],
    [
      'an expired certificate',
      { certificate: { ...certificate, validUntil: new Date(now - 1).toISOString() } },
      'broken',
      /certificate from files has expired/,
    ],
    [
      'a certificate that ends soon',
      { certificate: { ...certificate, endsSoon: true } },
      'warning',
      /certificate from files ends at 2026/,
    ],
    [
      'a certificate whose files cannot be read any more',
      { certificate: { ...certificate, error: '/tls.crt cannot be used' } },
      'warning',
      /stays until 2026.*: \/tls.crt cannot be used/,
    ],
    ['a refused policy', { policy: '/p.yaml', policyError: 'line 3' }, 'broken', /in force: line 3/],
    [
      'a failed connection',
      { connections: [{ ...upConnection, state: 'FAILED', detail: 'no endpoint' }] },
      'broken',
      /connection of pod-1 to echo is FAILED: no endpoint/,
    ],
    [
      'a healing connection',
      { connections: [{ ...upConnection, state: 'HEALING' }] },
      'pending',
      /is HEALING$/,
    ],
    [
      'a manager that ended without a word',
      { managers: [aliveManager, { ...aliveManager, name: 'node-b', alive: false }] },
      'warning',
      /1 of 2 managers ended without a word: node-b/,
    ],
    [
      'a manager that does not answer and has its lease yet, in the same words',
      { managers: [aliveManager, { ...aliveManager, name: 'node-b', silent: true }] },
      'warning',
      /1 of 2 managers ended without a word: node-b/,
    ],
    [
      'refused requests',
      { limits: [{ name: 'connections', limit: 64, refused: 2 }] },
      'warning',
      /2 requests were refused/,
    ],
    [
      'plain text',
      { managers: [{ ...aliveManager, security: 'insecure' }] },
      'warning',
      /plain text between managers \(node-a\)/,
    ],
  ])('names %s', (_name, more, level, what) => {
    const findings = findingsOf(view({ tunnelTypes: [working], ...more }), now);
    expect(findings).toMatchObject([{ level, what: expect.stringMatching(what) }]);
    expect(findings[0]?.toDo).not.toBe('');
  });

  it('names a pod that was refused in the last ten minutes, once, and how to see why', () => {
    const refused = (service: string, agoMs: number) => ({
      pod: 'web',
      service,
      requestId: 'r',
      labels: {},
      interfaces: ['kernel'],
      code: 'NSM0202',
      what: 'no endpoint fits',
      givenUp: false,
      time: new Date(now - agoMs).toISOString(),
    });
    const refusals = [refused('vpn', 12_000), refused('dns', 60_000), refused('old', 601_000)];
    expect(findingsOf(view({ tunnelTypes: [working], refusals }), now)).toEqual([
      {
        code: 'NSM0992',
        level: 'warning',
        toDo: 'nsm explain --from web',
        what: 'pod web was refused vpn 12s ago: no endpoint fits (NSM0202); and dns',
      },
    ]);
  });

  it.each([false, true])('has what comes of a manager that is away behind it, stopped: %s', (stopped) => {
    const other = { ...aliveManager, name: 'node-b', alive: false, stopped };
    const endpoint = { ...endpointView(undefined), manager: 'node-b', unavailable: 'its manager is away' };
    const findings = findingsOf(
      view({
        tunnelTypes: [working],
        managers: [aliveManager, other],
        endpoints: [endpoint, endpoint],
        connections: [
          { ...upConnection, id: 'own', state: 'HEALING' },
          { ...upConnection, id: 'there', state: 'FAILED', peerManager: 'node-b' },
        ],
      }),
      now,
    );
    expect(findings.map(({ code, level, because }) => [code, level, because === undefined])).toEqual([
      ['NSM0953', 'broken', true],
      ['NSM0981', 'broken', false],
      ['NSM0982', 'warning', false],
      ['NSM0982', 'warning', false],
      ['NSM0981', 'pending', true],
    ]);
    expect(consequencesText(findings.filter(({ because }) => because))).toBe(
      'and 1 connection and 2 endpoints of it',
    );
  });

  it('has an expired certificate before the registry that does not answer for it', () => {
    const expired = { ...certificate, validUntil: new Date(now - 1).toISOString() };
    const found = findingsOf(
      view({ registrySynced: false, certificate: expired, tunnelTypes: [working] }),
      now,
    );
    expect(found.map(({ code }) => code)).toEqual(['NSM0960', 'NSM0970']);
  });

  it('sends to a trace where no packets come back', () => {
    const detail = 'no packets come back from node node-b';
    const connections = [{ ...upConnection, state: 'HEALING', detail }];
    expect(findingsOf(view({ connections }), now)).toMatchObject([{ toDo: 'nsm trace node-a:1' }]);
  });

  it('does not call a manager that was stopped gone', () => {
    const stopped = { ...aliveManager, name: 'node-b', alive: false, stopped: true };
    expect(findingsOf(view({ tunnelTypes: [working], managers: [aliveManager, stopped] }), now)).toEqual([]);
  });

  it('has what is broken before what is under way and before warnings', () => {
    const findings = findingsOf(
      view({
        tunnelTypes: [working],
        managers: [{ ...aliveManager, security: 'insecure' }],
        connections: [
          { ...upConnection, state: 'HEALING' },
          { ...upConnection, state: 'FAILED' },
        ],
      }),
      now,
    );
    expect(findings.map(({ level }) => level)).toEqual(['broken', 'pending', 'warning']);
  });

  it('calls a mesh without tunnels broken only when it has other nodes', () => {
    const other = { ...aliveManager, name: 'node-b' };
    expect(findingsOf(view({ tunnelTypes: [] }), now)).toEqual([]);
    expect(findingsOf(view({ tunnelTypes: [], managers: [aliveManager, other] }), now)).toMatchObject([
      { level: 'broken', toDo: 'nsm get tunnels' },
    ]);
  });
});

const working = {
  type: 'VXLAN',
  works: true,
  missing: '',
  engine: 'ebpf',
  standsBy: false,
  obstacles: [],
};
