// An ordinary user on the underlay speaks to the TCP ports of managers and registry without a certificate that holds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Authority } from '@nsm/pki';
import { requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { managerPort } from '../mesh/mesh-node.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';
import { type ProcessSample, sampleProcess } from '../reliability/process-sample.js';
import {
  notYetValid,
  otherDomain,
  otherKind,
  pkiDir,
  selfSigned,
  shownBy,
  signedByManager,
  twoUris,
  withoutUri,
  wrongUse,
} from './shown-certificates.js';
import type { Attempt, Heard } from './stranger.js';
import type { TlsFuzz } from './tls-fuzzer.js';

const fuzzer = fileURLToPath(new URL('./tls-fuzzer.js', import.meta.url));
const program = fileURLToPath(new URL('./stranger.js', import.meta.url));
const asUser = ['setpriv', '--reuid=61001', '--regid=61001', '--clear-groups', '--no-new-privs'];
const thorough = process.env.SECURITY === 'thorough';

/** What a flood or a fuzz may leave of garbage in a process: MiB. */
const mostMib = 150;
const sample = (pid: number): ProcessSample => sampleProcess(pid, new Set());

describe.skipIf(!requireRoot('strangers'))('a stranger on the underlay', () => {
  let mesh: Mesh;
  let [client, there]: Pod[] = [];
  let authority: Authority;
  let requests = 0;

  beforeAll(async () => {
    mesh = await Mesh.start({
      switched: { nodes: 2 },
      flagsOf: ({ dir }) => ['--audit-log', join(dir, 'audit.log')],
    });
    [client, there] = ['client', 'there'].map((label) => mesh.pod(label));
    await mesh.endpoint(mesh.b, { pod: there!, name: 'there', services: ['far'] });
    await mesh.a.knows('far/there');
    authority = Authority.open(pkiDir);
  });
  afterAll(async () => await mesh?.stop());

  const servers = {
    'a manager': () => ({ host: mesh.a.address, port: managerPort, log: () => mesh.a.log }),
    'the registry': () => ({ host: mesh.registry!.address, port: 5000, log: () => mesh.registry!.log }),
  } as const;

  const attempt = async (what: Attempt): Promise<Heard> => {
    const [command = '', ...args] = [...asUser, process.execPath, program, JSON.stringify(what)];
    return JSON.parse(await run(mesh.b.namespace.name, command, args)) as Heard;
  };

  const attempts: [what: string, tls: () => Attempt['tls'], word: RegExp][] = [
    ['plain text', () => undefined, /speaks plain text.*--insecure/],
    ['no certificate', () => ({ ALPNProtocols: ['h2'] }), /shows no certificate/],
    ['a certificate of a foreign authority', () => shownBy(Authority.inMemory()), /not trusted here/],
    ['one that has expired', () => shownBy(authority, 'node-b', -1000), /has expired/],
    ['one that is not valid yet', notYetValid, /not valid yet/],
    ['one that it signed itself', selfSigned, /not trusted here/],
    ['one that a manager has signed', signedByManager, /does not hold|not trusted here/],
    ['one for another use', wrongUse, /does not hold: INVALID_PURPOSE/],
    ['one without a URI', withoutUri, /names neither a manager nor a registry/],
    ['one with two', twoUris, /names neither a manager nor a registry/],
    ['one of neither a manager nor a registry', otherKind, /names neither a manager nor a registry/],
    ['one of another trust domain', otherDomain, /no authority of trust domain other/],
    [
      'more certificates than anybody needs',
      () => ({ ...shownBy(authority), certTimes: 400 }),
      /fails in the TLS handshake/,
    ],
    ['TLS 1.2', () => ({ ...shownBy(authority), maxVersion: 'TLSv1.2' }), /no TLS 1.3|handshake/],
    ['another protocol', () => ({ ...shownBy(authority), ALPNProtocols: [] }), /HTTP\/2/],
  ];
  describe.each(Object.keys(servers) as (keyof typeof servers)[])('at %s', (what) => {
    // Both take connections in the same way.
    const tried = attempts.filter((_, index) => thorough || what === 'a manager' || index < 3);
    it.each(tried)('gets no answer with %s, and the log says why', async (_, tls, word) => {
      const { host, port, log } = servers[what]();
      const given = tls();
      const heard = await attempt({ host, port, ...(given ? { tls: given } : {}) });
      expect(heard.status).toBeUndefined();
      await waitFor(
        () =>
          log()
            .split('\n')
            .some((line) => line.includes('a connection is refused') && word.test(line)),
        { what: `the log saying ${word}` },
      );
      // Once, and not for each attempt.
      await attempt({ host, port, ...(given ? { tls: given } : {}) });
    });

    it('gets an answer with a certificate of the mesh', async () => {
      const { host, port } = servers[what]();
      expect(await attempt({ host, port, tls: shownBy(authority) })).toMatchObject({ status: 200 });
    });
  });

  it('hears why, as any gRPC client can', async () => {
    const { host, port } = servers['a manager']();
    const heard = await attempt({ host, port, tls: { ALPNProtocols: ['h2'] } });
    expect(heard.farewell).toMatch(/shows no certificate/);
    await waitFor(() =>
      readFileSync(join(mesh.a.dir, 'audit.log'), 'utf8')
        .split('\n')
        .some((line) =>
          /"event":"stranger","outcome":"refused NSM0503".*no certificate.*"address":/.test(line),
        ),
    );
  });

  const expectService = async (): Promise<void> => {
    const args = [
      'far',
      '--request-id',
      `c-${++requests}`,
      '--netns',
      client!.name,
      '--run-dir',
      mesh.a.runDir,
    ];
    const connected = await nsmJson<Connected>('connect', ...args);
    await expectTraffic(client!, there!, connected);
    expect(await nsm('disconnect', ...args)).toMatchObject({ status: 0 });
  };

  it('takes no place from managers with connections that say nothing', async () => {
    const { host, port } = servers['a manager']();
    const silent: Attempt = { host, port, silent: thorough ? 5000 : 300 };
    const [command = '', ...args] = [...asUser, process.execPath, program, JSON.stringify(silent)];
    const running = await spawnIn(mesh.b.namespace.name, command, args);
    try {
      await waitFor(() => running.output().includes('silent'), { what: 'the flood' });
      const wanted = ['-Htn', 'state', 'established', 'sport', '=', `:${port}`];
      const open = async (): Promise<number> =>
        (await run(mesh.a.namespace.name, 'ss', wanted)).split('\n').length;
      await waitFor(async () => (await open()) < 60, { what: 'few of them being open' });
      await expectService();
    } finally {
      await running.stop();
    }
  });

  it('costs managers nothing, whatever goes wrong in TLS', { timeout: 3_600_000 }, async () => {
    // What begins with the first connection is no cost of the fuzz.
    await expectService();
    const targets = [
      { pid: mesh.a.manager.pid, namespace: mesh.a.namespace.name, ...servers['a manager']() },
      { pid: mesh.registry!.pid, namespace: mesh.registry!.namespace.name, ...servers['the registry']() },
    ];
    const tried = targets.map(async ({ pid, namespace, host, port }) => {
      const shown = shownBy(authority, 'fuzz');
      const fuzz: TlsFuzz = { host, port, seed: 1, inputs: thorough ? 20_000 : 200, shown };
      const before = sample(pid);
      const [command = '', ...args] = [...asUser, process.execPath, fuzzer, JSON.stringify(fuzz)];
      const counts = JSON.parse(await run(namespace, command, args)) as Record<string, number>;
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(fuzz.inputs);
      const after = sample(pid);
      expect(after.memory - before.memory).toBeLessThan(mostMib);
      // Those that were left half-way have their time.
      await waitFor(() => sample(pid).descriptors <= before.descriptors + 20, {
        timeout: 10_000,
        what: `${before.descriptors} descriptors again`,
      });
    });
    const over = Promise.allSettled(tried);
    let isOver = false;
    over.finally(() => {
      isOver = true;
    });
    do await expectService();
    while (!isOver);
    for (const outcome of await over) if (outcome.status === 'rejected') throw outcome.reason;
  });

  it('leaves nothing', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
