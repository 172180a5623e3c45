// What operators see before and after a request: the explanation, the plan that changes nothing, the connection against the kernel, and
// everything that happens as one stream.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { admin, Channel } from '@nsm/api';
import { ipJson, type Running, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';

const service = 'echo';
const policy = 'rules: [{ name: all, effect: allow }]\n';

interface Check {
  readonly about: string;
  readonly passed: boolean;
  readonly text: string;
}

interface Candidate {
  readonly name: string;
  readonly rank: number;
  readonly chosen: boolean;
  readonly lost: string;
  readonly rule: string;
  readonly checks: readonly Check[];
  readonly labelMatches: readonly {
    readonly key: string;
    readonly has: string | null;
    readonly matched: boolean;
  }[];
  readonly interfaceMatch: { readonly shared: readonly string[]; readonly joined: object | null };
  readonly tunnels: { readonly here: readonly string[]; readonly there: readonly string[] } | null;
  readonly problems: readonly { readonly code: string; readonly what: string; readonly refuses: boolean }[];
  readonly plan: { readonly manager: string } | null;
}

describe.skipIf(!requireRoot('looking'))('an operator', () => {
  let mesh: Mesh;
  let pod: Pod;
  let endpoints: readonly Pod[];

  const policyOf = ({ dir }: Pick<MeshNode, 'dir'>): string => join(dir, 'policy.yaml');
  const auditOf = ({ dir }: Pick<MeshNode, 'dir'>): string => join(dir, 'audit.log');

  beforeAll(async () => {
    mesh = await Mesh.start({
      flags: ['--limit', 'connections=2'],
      flagsOf: ({ dir }) => {
        mkdirSync(dir, { recursive: true });
        writeFileSync(policyOf({ dir }), policy);
        return ['--policy', policyOf({ dir }), '--audit-log', auditOf({ dir })];
      },
    });
    [pod, endpoints] = [mesh.pod('client'), [mesh.pod('near'), mesh.pod('far')]];
    const [near, far] = endpoints as [Pod, Pod];
    await Promise.all([
      mesh.endpoint(mesh.a, {
        pod: near,
        name: 'near',
        services: [service],
        flags: ['--label', 'tier=gold'],
      }),
      mesh.endpoint(mesh.b, {
        pod: far,
        name: 'far',
        services: [service],
        flags: ['--label', 'tier=silver'],
      }),
    ]);
    await mesh.a.knows(`${service}/near`, `${service}/far`);
  });
  afterEach(async () => {
    for (const node of mesh.nodes) await node.closeAll();
  });
  afterAll(async () => {
    await mesh?.stop();
  });

  const at = (): string[] => ['--run-dir', mesh.a.runDir];
  const connect = (requestId: string, ...flags: string[]) =>
    nsmJson<Connected>('connect', service, '--netns', pod.name, '--request-id', requestId, ...at(), ...flags);
  /** Also where the request would be refused. */
  const explain = async (...flags: string[]): Promise<Candidate[]> =>
    JSON.parse((await nsm('explain', service, '--json', ...at(), ...flags)).stdout);
  const failing = ({ checks }: Candidate): Check[] => checks.filter(({ passed }) => !passed);

  it('is told of each endpoint all that it was looked at for, whichever way the pod is named', async () => {
    const [far, near] = await explain(
      '--from',
      pod.name,
      '--label',
      'tier=silver',
      '--interface',
      'kernel,mem',
    );
    expect(far).toMatchObject({
      name: 'far',
      rank: 1,
      chosen: true,
      rule: 'all',
      plan: { manager: 'node-b', mtu: 1450 },
      interfaceMatch: { shared: ['kernel'], joined: { client: 'kernel', endpoint: 'kernel' } },
      labelMatches: [{ key: 'tier', wanted: 'silver', has: 'silver', matched: true }],
    });
    expect(far?.checks.map(({ about, passed }) => `${about} ${passed}`)).toEqual(
      ['policy', 'provider', 'labels', 'node', 'interfaces', 'tunnel', 'mtu', 'addresses'].map(
        (about) => `${about} true`,
      ),
    );
    expect(far?.tunnels?.here).toContain('VXLAN');
    expect(far?.tunnels?.there).toEqual(far?.tunnels?.here);
    expect(near).toMatchObject({ name: 'near', rank: 0, plan: null, tunnels: null });
    expect(near && failing(near)).toEqual([
      { about: 'labels', passed: false, text: 'label tier=silver (has gold) does not match' },
    ]);
    for (const from of [`/run/netns/${pod.name}`, String(pod.inode)])
      expect((await explain('--from', from))[0]).toMatchObject({ name: 'near', chosen: true });
    expect((await explain('--from', pod.name))[1]).toMatchObject({ rank: 2, lost: 'it is on another node' });
  });

  it('is told what else would go wrong, and of a service that nobody provides which one was meant', async () => {
    const problems = async (...flags: string[]): Promise<string[]> =>
      ((await explain(...flags))[0]?.problems ?? []).map(({ code, what }) => `${code} ${what}`);
    expect(await problems('--from', 'nowhere')).toEqual([expect.stringMatching(/^NSM0102 .*nowhere/)]);
    expect(await problems('--from', pod.name, '--interface', 'kernel?name=lo')).toEqual([
      expect.stringMatching(/^NSM0601 an interface named "lo" exists already/),
    ]);
    await run(pod.name, 'ip', ['route', 'add', '100.64.0.0/10', 'dev', 'lo']);
    const [first] = await explain('--from', pod.name);
    await run(pod.name, 'ip', ['route', 'del', '100.64.0.0/10', 'dev', 'lo']);
    expect(first).toMatchObject({ chosen: false, plan: null });
    expect(first && failing(first)).toEqual([
      {
        about: 'addresses',
        passed: false,
        text: expect.stringMatching(/routes 100.64.0.0\/10, which leaves no/),
      },
    ]);
    await Promise.all([connect('one'), connect('two')]);
    expect(await problems('--from', pod.name)).toEqual([
      expect.stringMatching(/^NSM0006 .* has 2 of 2 connections/),
    ]);
    expect(await nsm('explain', 'ecko', ...at())).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('known: echo; did you mean "echo"?'),
    });
  });

  it('is told that the manager of an endpoint does not answer, before it counts as gone', async () => {
    const { child } = mesh.b.manager;
    child.kill('SIGSTOP');
    try {
      const [far] = await explain('--from', pod.name, '--label', 'tier=silver');
      expect(far).toMatchObject({ name: 'far', rank: 1, chosen: false });
      expect(far && failing(far)).toEqual([
        expect.objectContaining({ about: 'tunnel', text: expect.stringMatching(/"node-b" does not answer/) }),
      ]);
    } finally {
      child.kill('SIGCONT');
    }
  });

  it('reads below a refusal why each endpoint is out, and how to see all of it', async () => {
    const refused = await nsm('connect', service, '--netns', pod.name, '--label', 'tier=bronze', ...at());
    expect(refused.status).toBe(1);
    const [, ...lines] = refused.stderr.trimEnd().split('\n');
    expect(lines.slice(0, -1).toSorted()).toEqual([
      '  far on node-b: label tier=bronze (has silver) does not match',
      '  near on node-a: label tier=bronze (has gold) does not match',
    ]);
    const command = /see all: nsm (.*)$/.exec(lines.at(-1) ?? '')?.[1]?.split(' ') ?? [];
    expect((await nsm(...command)).stdout).toMatch(/^dropped +near on node-a$/m);
    // Whoever asks later hears of it, too, until the pod has what it asked for.
    const past = async (): Promise<string[] | undefined> =>
      (await explain('--from', pod.name))[0]?.problems.map(({ what }) => what);
    expect(await past()).toEqual([
      expect.stringMatching(/^its last request \(.*\) was refused: .*label tier=bronze/),
    ]);
    // What is explained is the request that was refused, unless another is asked about.
    expect((await explain('--from', pod.name)).map(({ rank }) => rank)).toEqual([0, 0]);
    expect((await explain('--from', pod.name, '--label', 'tier=gold'))[0]).toMatchObject({ chosen: true });
    const status = await nsm('status', ...at());
    expect(status.stdout).toMatch(
      new RegExp(
        `! pod ${pod.name} was refused echo .*NSM0202.* NSM0992\n  what to do: nsm explain --from ${pod.name} --run-dir \\S+$`,
        'm',
      ),
    );
    const all = await nsm('explain', '--from', pod.name, ...at());
    expect(all).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^× echo: request .*labels tier=bronze/m),
    });
    expect(all.stdout).toMatch(new RegExp(`^  see all: nsm explain echo --from ${pod.name} --run-dir `, 'm'));
    await connect('now');
    expect(await past()).toEqual([]);
    expect(await nsm('explain', '--from', pod.name, ...at())).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^√ echo: connection \S+ of "now" to near is SYNCED$/m),
    });
  });

  it('is told the plan of a request, which changes nothing anywhere and comes true', async () => {
    await connect('before');
    await connect('far', '--label', 'tier=silver');
    await nsm('disconnect', service, '--request-id', 'far', '--netns', pod.name, ...at());
    const flags = ['--netns', pod.name, '--label', 'tier=silver', ...at()];
    const before = await settled();
    const { plan } = await nsmJson<{ plan: Record<string, unknown> }>(
      'connect',
      service,
      '--dry-run',
      ...flags,
    );
    const text = await nsm('connect', service, '--dry-run', ...flags);
    expect(await everything()).toEqual(before);
    expect(text.stdout).toMatch(/^would connect to echo: nothing was changed\nendpoint +far on node-b$/m);
    expect(plan).toMatchObject({ interfaceName: 'nsm1', tunnel: { type: 'VXLAN', remote: mesh.b.address } });

    // Each pod has its own requests.
    const again = ['connect', service, '--dry-run', '--request-id', 'before', ...at()];
    const presentIn = async (name: string) =>
      (await nsmJson<{ present: string | null }>(...again, '--netns', name)).present;
    expect([await presentIn(pod.name), await presentIn(endpoints[1]?.name ?? '')]).toEqual([
      expect.any(String),
      null,
    ]);

    const made = await connect('far', '--label', 'tier=silver');
    const { endpoint, interfaceName, mtu } = made;
    expect({ endpoint, interfaceName, mtu }).toEqual({
      endpoint: plan.endpoint,
      interfaceName: plan.interfaceName,
      mtu: plan.mtu,
    });
    expect(plan.addresses).toEqual([expect.objectContaining({ client: made.address })]);
  });

  /** What both nodes have on their disks, in their tables and in their kernels. */
  const everything = async (): Promise<unknown> => {
    const node = async ({ runDir, stateDir, dir, namespace: { name } }: MeshNode) => ({
      files: hashesIn(stateDir),
      audit: readFileSync(auditOf({ dir }), 'utf8'),
      kernel: await kernelOf(name),
      told: await toldBy(runDir),
    });
    return [
      await Promise.all(mesh.nodes.map(node)),
      await Promise.all([pod, ...endpoints].map(({ name }) => kernelOf(name))),
    ];
  };

  /** The same, once what is written a second later is written. */
  const settled = async (): Promise<unknown> => {
    let last = await everything();
    return await waitFor(async () => {
      await sleep(1_200);
      const before = last;
      last = await everything();
      return isDeepStrictEqual(before, last) && last;
    });
  };

  it('sees a connection against the kernel, its round trip, and each step of its last order', async () => {
    const { id } = await connect('seen', '--label', 'tier=silver');
    const described = await nsmJson<{
      readonly history: readonly { readonly state: string; readonly durationMs: number | null }[];
      readonly lastOrder: { readonly kind: string; readonly steps: readonly { readonly manager: string }[] };
    }>('describe', 'connection', id, ...at());
    expect(described).toMatchObject({ differences: [], heals: 0, roundTripUs: expect.any(Number) });
    expect(described.history.map(({ state, durationMs }) => [state, durationMs === null])).toEqual([
      ['CONNECTING', false],
      ['SYNCED', true],
    ]);
    expect(described.lastOrder.kind).toBe('connect');
    expect(new Set(described.lastOrder.steps.map(({ manager }) => manager))).toEqual(
      new Set(['node-a', 'node-b']),
    );
    const { stdout } = await nsm('describe', 'connection', id, ...at());
    expect(stdout).toMatch(/^kernel +SYNCED: it has what the connection wants$/m);
    expect(stdout).toMatch(/^last order: connect, .*, took [\d.]+ m?s$/m);

    const wide = await nsm(
      'get',
      'connections',
      '-o',
      'wide',
      '--service',
      service,
      '--state',
      'synced',
      ...at(),
    );
    expect(wide.stdout).toMatch(/ RTT +RX +TX +DROPS +HEALS +AGE +STATE$/m);
    expect(wide.stdout).toMatch(/ [\d.]+ (µs|ms) +\S+B +\S+B +0 +0 +\d+s +SYNCED$/m);
    expect((await nsm('get', 'connections', '--state', 'failed', ...at())).stdout).toBe(
      'no such connections\n',
    );
  });

  it('hears of everything in one stream, also after the manager was started again', async () => {
    await using all = await mesh.spawn(undefined, '"synced"', ['watch', '--json', ...at()]);
    await using limits = await mesh.spawn(undefined, '"synced"', [
      'watch',
      '--json',
      '--only',
      'limits',
      ...at(),
    ]);
    const heard = (watch: Running): Record<string, never>[] =>
      watch
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line));
    const told = (watch: Running): string[] =>
      heard(watch).map(
        ({ kind, topic, connection, endpoint, manager, limit }: Record<string, { [key: string]: string }>) =>
          [kind, topic, connection?.requestId, endpoint?.name, manager?.name, limit?.name]
            .filter(Boolean)
            .join(' '),
      );
    expect(told(all).toSorted()).toEqual(
      expect.arrayContaining([
        'present endpoints far',
        'present endpoints near',
        'present managers node-a',
        'present managers node-b',
        'present policy',
        'synced',
      ]),
    );
    await Promise.all([connect('w1'), connect('w2')]);
    await nsm('connect', service, '--netns', pod.name, '--request-id', 'w3', ...at());
    await waitFor(() => told(limits).includes('changed limits connections'));
    expect(told(limits)).toEqual(['synced', 'changed limits connections']);
    await waitFor(() => told(all).includes('changed limits connections'));
    expect(told(all)).toEqual(expect.arrayContaining(['added connections w1', 'changed connections w1']));

    writeFileSync(`${policyOf(mesh.a)}.new`, `${policy}# again\n`);
    renameSync(`${policyOf(mesh.a)}.new`, policyOf(mesh.a));
    await waitFor(() => told(all).includes('changed policy'));

    const before = told(all).length;
    await mesh.a.end('SIGTERM');
    await mesh.a.start();
    await waitFor(() => told(all).slice(before).includes('synced'), { what: 'the watch going on' });
    const after = told(all).slice(before);
    expect(after[0]).toBe('away');
    // What is as it was is not told again.
    expect(after).not.toContain('present connections w1');
    await nsm('disconnect', service, '--request-id', 'w1', '--netns', pod.name, ...at());
    await waitFor(() => told(all).slice(before).includes('removed connections w1'));
  });
});

/** Counts of what is taken, connections without their counters, and the registry's records. */
async function toldBy(runDir: string): Promise<unknown> {
  using channel = new Channel(`unix:${runDir}/admin.sock`);
  const client = channel.client(admin.Admin);
  const [manager, { connections }, endpoints, managers] = await Promise.all([
    client.getManager({}),
    client.listConnections({}),
    client.listEndpoints({}),
    client.listManagers({}),
  ]);
  const ofRequests = new Set(['connections', 'addressPairs', 'routes', 'requests']);
  return [
    { ...manager, limits: manager.limits.filter(({ name }) => ofRequests.has(name)) },
    connections.map(({ statistics: _counters, ...rest }) => rest),
    endpoints,
    managers,
  ];
}

/** By name within a folder. */
function hashesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return Object.fromEntries(
    names.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path, createHash('sha256').update(readFileSync(path)).digest('hex')];
    }),
  );
}

async function kernelOf(namespace: string): Promise<unknown> {
  const [links, addresses, rules] = await Promise.all([
    ipJson(namespace, ['-d', 'link']),
    ipJson(namespace, ['address']),
    ipJson(namespace, ['rule']),
  ]);
  const routes = await run(undefined, 'ip', ['-n', namespace, 'route', 'show', 'table', 'all']);
  // Counters go on by themselves.
  const still = [links, addresses].map((all) => all.map(({ stats64: _counters, ...link }) => link));
  return [still, rules, routes];
}
