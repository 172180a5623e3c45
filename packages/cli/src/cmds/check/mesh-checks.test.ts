// What the checks of the mesh say of facts: network, certificates, registry, cluster; and how results are written for others.
import { create } from '@bufbuild/protobuf';
import { admin, TunnelSchema, TunnelType } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { findingsOf } from '../status/findings.js';
import { type StatusView, statusView } from '../status/status-view.js';
import type { CertificateFacts } from './certificate-facts.js';
import { certificateChecks } from './certificates.js';
import { judged } from './judged.test.support.js';
import { junitOf } from './junit.js';
import { kubernetesChecks } from './kubernetes.js';
import type { KubernetesFacts } from './kubernetes-facts.js';
import { meshChecks } from './mesh.js';
import { networkChecks } from './network.js';
import type { NetworkFacts, PeerFacts } from './network-facts.js';
import { registryChecks } from './registry.js';
import { judgeWay, passagesOf } from './tunnel-ways.js';

const status = create(admin.ManagerStatusSchema, {
  manager: { name: 'node-a', address: '10.0.0.1:5001', alive: true, security: 'mtls', version: '0.1.0' },
  registry: 'embedded:',
  registrySynced: true,
});
const view: StatusView = statusView({
  status,
  managers: create(admin.ListManagersReplySchema, {
    managers: [
      { name: 'node-a', address: '10.0.0.1:5001', alive: true },
      { name: 'node-b', alive: true },
    ],
  }),
  services: create(admin.ListServicesReplySchema),
  endpoints: create(admin.ListEndpointsReplySchema),
  connections: create(admin.ListConnectionsReplySchema),
  refusals: create(admin.ListRefusalsReplySchema),
});
const peer: PeerFacts = {
  manager: 'node-b',
  address: '10.0.0.2:5001',
  alive: true,
  secure: true,
  error: '',
  code: '',
  version: '0.1.0',
  roundTripMs: 1,
  clockAheadMs: 3,
  mtu: { measured: 1500, expected: 1500, device: 'eth0', remote: '10.0.0.2', via: '' },
  kinds: 6,
  obstacle: '',
  ways: [],
};
const network: NetworkFacts = {
  status,
  view,
  findings: [],
  host: '10.0.0.1',
  hostAddresses: ['10.0.0.1'],
  ownAddresses: ['127.0.0.1', '10.0.0.1'],
  sameNetwork: true,
  thereToo: 'nsenter --net=/proc/7/ns/net nsm check',
  peers: [peer],
};
const withPeer = (change: Partial<PeerFacts>): Partial<NetworkFacts> => ({ peers: [{ ...peer, ...change }] });

describe('checks of the network', () => {
  it.each<[string, string, Partial<NetworkFacts>, string, RegExp]>([
    ['an address of no device', 'NSM0950', { hostAddresses: ['192.0.2.9'] }, 'warning', /192\.0\.2\.9/],
    ['a name that does not resolve', 'NSM0950', { hostAddresses: [] }, 'broken', /does not resolve/],
    ['a loopback address', 'NSM0950', { hostAddresses: ['127.0.0.1'] }, 'broken', /each machine itself/],
    [
      'another network namespace',
      'NSM0956',
      { sameNetwork: false },
      'untried',
      /another network namespace .* `nsenter --net=\/proc\/7\/ns\/net nsm check`/,
    ],
    [
      'a manager that does not answer',
      'NSM0951',
      withPeer({ error: 'connection refused', code: 'NSM0004' }),
      'broken',
      /node-b on 10\.0\.0\.2:5001: connection refused/,
    ],
    [
      'an expired certificate',
      'NSM0951',
      withPeer({ error: 'has a certificate that has expired: renew it', code: 'NSM0503' }),
      'broken',
      /node-b on .* has expired/,
    ],
    ['that all others have stopped', 'NSM0951', { peers: [] }, 'untried', /all other managers have stopped/],
    ['managers of one version', 'NSM0952', {}, 'well', /all run 0\.1\.0/],
    ['an older manager', 'NSM0952', withPeer({ version: '0.0.9' }), 'warning', /node-b runs 0\.0\.9/],
    ['clocks apart', 'NSM0955', withPeer({ clockAheadMs: -90_000 }), 'warning', /90\.0 s behind/],
    ['a wrong clock', 'NSM0955', withPeer({ clockAheadMs: 3_600_000 }), 'broken', /3600\.0 s ahead/],
    [
      'a small MTU',
      'NSM0956',
      withPeer({
        mtu: { measured: 1400, expected: 1500, device: 'eth0', remote: '10.0.0.2', via: '10.0.0.254' },
      }),
      'broken',
      /packets of 1400 bytes/,
    ],
    [
      'a silent node',
      'NSM0956',
      withPeer({ mtu: 'answers no ICMP echo' }),
      'untried',
      /answers no ICMP echo/,
    ],
    [
      'no common kind',
      'NSM0958',
      withPeer({ kinds: 0, obstacle: 'no route' }),
      'broken',
      /no kind of tunnel leads to node-b: no route/,
    ],
  ])('names %s', (_name, code, change, level, what) => {
    const facts = { ...network, ...change, view: { ...view, tunnelTypes: [tunnel] } };
    expect(judged(networkChecks, code, facts)).toMatchObject([{ level, what: expect.stringMatching(what) }]);
  });

  it('advises to renew a certificate that has expired, of whichever side', () => {
    const mendOf = (error: string) => {
      const facts = { ...network, ...withPeer({ error, code: 'NSM0503' }) };
      return judged(networkChecks, 'NSM0951', facts)[0]?.mend;
    };
    expect(mendOf('has a certificate that has expired')).toMatch(/^renew .* node-b: `nsm pki issue node-b`/);
    expect(mendOf('refuses this process: it has expired')).toMatch(/^renew the certificate of this node/);
    expect(mendOf('is another manager')).not.toMatch(/renew|nc -vz/);
  });

  it('says which kinds of tunnel alone are offered', () => {
    const onlyTunnels = [{ service: '', types: ['gre'] }];
    const facts = { ...network, view: { ...view, tunnelTypes: [tunnel], onlyTunnels } };
    expect(judged(networkChecks, 'NSM0958', facts)).toMatchObject([
      { level: 'well', what: expect.stringMatching(/, of which it offers only gre \(--tunnel\)$/) },
    ]);
  });

  it('tells of packets that a connection loses, where what is measured tells nothing of it', () => {
    const finding = { code: 'NSM0956', level: 'warning', what: 'packets are lost', toDo: 'mend it' } as const;
    const found = { level: 'warning', what: 'packets are lost', mend: 'mend it' };
    const mtu = { measured: 1400, expected: 1500, device: 'eth0', remote: '10.0.0.2', via: '' };
    const judge = (of: typeof mtu | string) =>
      judged(networkChecks, 'NSM0956', { ...network, ...withPeer({ mtu: of }), findings: [finding] });
    expect(judge('it answers no ICMP echo')).toMatchObject([found, { level: 'untried' }]);
    expect(judge({ ...mtu, measured: 1500 })).toMatchObject([found, { level: 'well' }]);
    expect(judge(mtu)).toMatchObject([{ level: 'broken' }]);
  });

  it('gives the route by which a small MTU is mended', () => {
    const mtu = { measured: 1400, expected: 1500, device: 'eth0', remote: '10.0.0.2', via: '10.0.0.254' };
    const [outcome] = judged(networkChecks, 'NSM0956', { ...network, ...withPeer({ mtu }) });
    expect(outcome?.mend).toContain('ip route replace 10.0.0.2 via 10.0.0.254 dev eth0 mtu lock 1400');
  });

  it('knows what kinds of tunnel go by', () => {
    const { VXLAN, GRE, MPLSoGRE, MPLSoEthernet } = TunnelType;
    const offered = [VXLAN, GRE, MPLSoGRE, MPLSoEthernet].map((type) =>
      create(TunnelSchema, { type, parameters: { port: type === VXLAN ? 4789 : 0 } }),
    );
    expect(passagesOf(offered)).toEqual([
      { name: 'UDP port 4789', door: { udpPort: 4789 }, kinds: ['VXLAN'] },
      { name: 'IP protocol 47', door: { protocol: 47 }, kinds: ['GRE', 'MPLSoGRE'] },
      { name: 'EtherType 0x8847', door: undefined, kinds: ['MPLSoEthernet'] },
    ]);
  });

  it.each([
    ['came', true, 'well'],
    ['forbidden', false, 'broken'],
    ['silent', true, 'warning'],
    ['silent', false, 'untried'],
    [{ untried: 'EPERM' }, true, 'untried'],
    [undefined, true, 'untried'],
  ] as const)('takes the answer %j, others answered %s, for %s', (knocked, answers, level) => {
    const passage = { name: 'IP protocol 47', door: { protocol: 47 }, kinds: ['GRE'] };
    expect(judgeWay('node-b', passage, knocked, answers).level).toBe(level);
  });
});

const tunnel = { type: 'VXLAN', works: true, missing: '', engine: 'eBPF', standsBy: false, obstacles: [] };
const now = Date.parse('2026-06-01T12:00:00Z');
const day = 24 * 3_600_000;
const own = {
  uris: ['spiffe://nsm/manager/node-a'],
  validFrom: new Date(now - day),
  validTo: new Date(now + 6 * day),
};
const certificates: CertificateFacts = {
  status,
  view,
  findings: [],
  now,
  own,
  chainFault: '',
  authorities: [{ subject: 'CN=nsm', validTo: new Date(now + 1000 * day) }],
  peers: [{ manager: 'node-b', error: '', code: '' }],
  keyFile: undefined,
};

describe('checks of certificates', () => {
  it.each<[string, string, Partial<CertificateFacts>, string, RegExp]>([
    ['a broken chain', 'NSM0961', { chainFault: 'nobody has signed it' }, 'broken', /nobody has signed it/],
    [
      "somebody else's name",
      'NSM0962',
      { own: { ...own, uris: ['spiffe://nsm/manager/node-b'] } },
      'broken',
      /node-b, and this manager is node-a/,
    ],
    [
      'a foreign authority',
      'NSM0964',
      {
        peers: [
          {
            manager: 'node-b',
            error: 'has a certificate of an authority that is not trusted here',
            code: 'NSM0503',
          },
        ],
      },
      'broken',
      /node-b has a certificate/,
    ],
    [
      'an authority that ends',
      'NSM0965',
      { authorities: [{ subject: 'CN=nsm', validTo: new Date(now + 9 * day) }] },
      'warning',
      /ends in 9 days/,
    ],
    [
      'a key that others can read',
      'NSM0966',
      { keyFile: { path: '/p/ca.key', mode: 0o100644 } },
      'broken',
      /mode 644/,
    ],
    [
      'a clock behind the certificate',
      'NSM0968',
      { own: { ...own, validFrom: new Date(now + day) } },
      'broken',
      /not yet/,
    ],
  ])('names %s', (_name, code, change, level, what) => {
    expect(judged(certificateChecks, code, { ...certificates, ...change })).toMatchObject([
      { level, what: expect.stringMatching(what) },
    ]);
  });
});

describe('checks of the registry', () => {
  const facts = { status, view, findings: [], write: { error: '', elapsedMs: 1 }, members: [] };
  it.each<[string, string, Partial<typeof facts>, string]>([
    ['a registry that takes nothing', 'NSM0971', { write: { error: 'away', elapsedMs: 3000 } }, 'broken'],
    ['a slow registry', 'NSM0971', { write: { error: '', elapsedMs: 900 } }, 'warning'],
    ['a manager that is not registered', 'NSM0972', { view: { ...view, managers: [] } }, 'broken'],
    ['a plain way to etcd', 'NSM0975', { view: { ...view, registry: 'etcd://192.0.2.1:2379' } }, 'warning'],
  ])('names %s', (_name, code, change, level) => {
    expect(judged(registryChecks, code, { ...facts, ...change })).toMatchObject([{ level }]);
  });
});

describe('checks of an etcd', () => {
  it('calls it broken when no majority is left, and a warning before', () => {
    const member = { address: '192.0.2.1:2379', error: '', elapsedMs: 1 };
    const away = { ...member, error: 'away' };
    const levels = (members: readonly (typeof member)[]): string[] =>
      judged(registryChecks, 'NSM0974', {
        status,
        view,
        findings: [],
        write: { error: '', elapsedMs: 1 },
        members,
      }).map(({ level }) => level);
    expect(levels([member, member, away])).toEqual(['well', 'well', 'warning']);
    expect(levels([member, away, away])).toEqual(['well', 'broken', 'broken']);
    expect(levels([member, away])).toEqual(['well', 'broken']);
    expect(levels([])).toEqual([]);
  });
});

describe('checks and nsm status', () => {
  it('say the same, under the same code', () => {
    const broken: StatusView = {
      ...view,
      registrySynced: false,
      forwarderError: 'gone',
      policyError: 'line 3',
      managers: [...view.managers, ...view.managers.map((one) => ({ ...one, name: 'node-c', alive: false }))],
    };
    const findings = findingsOf(broken, now);
    const checks = [...registryChecks, ...networkChecks, ...meshChecks] as typeof networkChecks;
    for (const { code, what } of findings.filter(({ code: one }) =>
      checks.some((check) => check.code === one),
    ))
      expect(judged(checks, code, { ...network, view: broken, findings })).toContainEqual(
        expect.objectContaining({ what }),
      );
    expect(findings.map(({ code }) => code)).toEqual(['NSM0948', 'NSM0970', 'NSM0980', 'NSM0953']);
  });
});

const cluster: KubernetesFacts = {
  pre: false,
  source: 'a kubeconfig',
  namespace: 'nsm-system',
  api: { told: 5 },
  who: 'nsm-manager',
  denied: { told: [] },
  missingKinds: { told: [] },
  webhook: { told: { hasAuthority: true } },
  webhookReady: { told: 2 },
  sockets: { told: [{ node: 'n1', sockets: 100 }] },
  waiting: { told: [] },
};

describe('checks of the cluster', () => {
  it.each<[string, string, Partial<KubernetesFacts>, string, RegExp]>([
    ['an API that is away', 'NSM0985', { api: { why: 'ECONNREFUSED' } }, 'broken', /ECONNREFUSED/],
    [
      'a right that is missing',
      'NSM0986',
      { denied: { told: [{ group: '', resource: 'pods/status', verb: 'patch', own: false }] } },
      'broken',
      /nsm-manager may not: patch pods\/status/,
    ],
    ['what may not be asked', 'NSM0986', { denied: { why: 'forbidden' } }, 'untried', /forbidden/],
    [
      'missing kinds',
      'NSM0987',
      { missingKinds: { told: ['networkservices.networkservicemesh.io'] } },
      'broken',
      /networkservices/,
    ],
    [
      'a webhook without authority',
      'NSM0988',
      { webhook: { told: { hasAuthority: false } } },
      'broken',
      /no authority/,
    ],
    ['a webhook without pods', 'NSM0989', { webhookReady: { told: 0 } }, 'broken', /no pod/],
    [
      'a node without device plugin',
      'NSM0990',
      { sockets: { told: [{ node: 'n2', sockets: undefined }] } },
      'warning',
      /n2/,
    ],
    ['requests that wait', 'NSM0991', { waiting: { told: ['nsm-x'] } }, 'broken', /nsm-x/],
  ])('names %s', (_name, code, change, level, what) => {
    expect(judged(kubernetesChecks, code, { ...cluster, ...change })).toMatchObject([
      { level, what: expect.stringMatching(what) },
    ]);
  });
});

describe('JUnit', () => {
  it('has a case for each outcome, whatever strangers are called', () => {
    const xml = junitOf([
      {
        code: 'NSM0951',
        group: 'network',
        title: 'other managers',
        level: 'broken',
        what: '<b> & "c"\u0007',
        mend: 'nc',
      },
      { code: 'NSM0957', group: 'network', title: 'ways', level: 'untried', what: 'not known', mend: '' },
      { code: 'NSM0900', group: 'kernel', title: 'version', level: 'well', what: 'Linux', mend: '' },
    ]);
    expect(xml).toContain('<testsuites name="nsm check" tests="3" failures="1" skipped="1">');
    expect(xml).toContain('message="&lt;b&gt; &amp; &quot;c&quot;"');
    expect(xml).toContain('<skipped message="not known"/>');
  });
});
