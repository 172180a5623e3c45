// An ordinary user on the underlay speaks to the TCP ports of managers and registry without a certificate that holds.
import { createPublicKey } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Authority, keyToPem, makeCertificate, newKey, toPem } from '@nsm/pki';
import { requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from '../expect-traffic.js';
import { Mesh, type Pod } from '../mesh.js';
import { managerPort } from '../mesh-node.js';
import { type Connected, nsm, nsmJson } from '../nsm-command.js';
import type { Attempt, Heard } from './stranger.js';

const program = fileURLToPath(new URL('./stranger.js', import.meta.url));
const asUser = ['setpriv', '--reuid=61001', '--regid=61001', '--clear-groups', '--no-new-privs'];
const pkiDir = '/var/lib/nsm/pki';
const hourMs = 3_600_000;
const thorough = process.env.SECURITY === 'thorough';
const owner = { kind: 'manager', name: 'node-b' } as const;

/** What a manager of the mesh would show, were it the given authority's and good for so long. */
const shown = (authority: Authority, lifeMs: number) => {
  const key = newKey();
  const cert = toPem([authority.issue(createPublicKey(key), owner, lifeMs)]);
  return { key: keyToPem(key), cert, ALPNProtocols: ['h2'] };
};

/** A certificate that the mesh's authority did not sign, though it bears its name. */
const selfSigned = (uri: string) => {
  const key = newKey();
  const [notBefore, notAfter] = [new Date(Date.now() - hourMs), new Date(Date.now() + hourMs)];
  const commonName = 'Network Service Mesh nsm';
  const names = { publicKey: createPublicKey(key), uri, commonName, notBefore, notAfter };
  return {
    key: keyToPem(key),
    cert: toPem([makeCertificate({ ...names, signer: { key } })]),
    ALPNProtocols: ['h2'],
  };
};

describe.skipIf(!requireRoot('strangers'))('a stranger on the underlay', () => {
  let mesh: Mesh;
  let [client, there]: Pod[] = [];
  let authority: Authority;
  let requests = 0;

  beforeAll(async () => {
    mesh = await Mesh.start({ switched: { nodes: 2 } });
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
    ['a certificate of a foreign authority', () => shown(Authority.inMemory(), hourMs), /not trusted here/],
    ['one that has expired', () => shown(authority, -1000), /has expired/],
    ['one that it signed itself', () => selfSigned('spiffe://nsm/manager/node-b'), /not trusted here/],
    ['TLS 1.2', () => ({ ...shown(authority, hourMs), maxVersion: 'TLSv1.2' }), /no TLS 1.3|handshake/],
    ['another protocol', () => ({ ...shown(authority, hourMs), ALPNProtocols: [] }), /HTTP\/2/],
  ];
  describe.each(Object.keys(servers) as (keyof typeof servers)[])('at %s', (what) => {
    it.each(attempts)('gets no answer with %s, and the log says why', async (_, tls, word) => {
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
      expect(await attempt({ host, port, tls: shown(authority, hourMs) })).toMatchObject({ status: 200 });
    });
  });

  it('hears why, as any gRPC client can', async () => {
    const { host, port } = servers['a manager']();
    const heard = await attempt({ host, port, tls: { ALPNProtocols: ['h2'] } });
    expect(heard.farewell).toMatch(/shows no certificate/);
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

  it('leaves nothing', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
