// nsm gather: everything of the mesh in one archive, and nothing that is secret.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Running, requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh } from '../mesh/mesh.js';
import { nsmJson, nsmProgram } from '../mesh/nsm-command.js';

/** In every secret that is planted. */
const planted = 'planted';
const key = `-----BEGIN PRIVATE KEY-----\n${planted}MIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----`;
const password = `${planted}-password-of-etcd`;

interface Gathered {
  readonly files: number;
  readonly missing: Readonly<Record<string, string>>;
  /** By their names in the archive's one folder. */
  readonly texts: ReadonlyMap<string, string>;
}

describe.skipIf(!requireRoot('gathering'))('an archive for a bug report', () => {
  let mesh: Mesh;
  const others: Running[] = [];

  beforeAll(async () => {
    mesh = await Mesh.start({
      before: ['env', `NSM_ETCD_PASSWORD=${password}`],
      flagsOf: ({ dir }) => {
        mkdirSync(dir, { recursive: true });
        const file = join(dir, 'policy.yaml');
        writeFileSync(file, `# password: ${planted}-in-a-remark\nrules: [{ name: all, effect: allow }]\n`);
        return ['--policy', file];
      },
    });
    const [client, near, far] = [mesh.pod('client'), mesh.pod('near'), mesh.pod('far')];
    await mesh.endpoint(mesh.a, {
      pod: near,
      name: 'near',
      services: ['memory'],
      flags: ['--interface', 'mem'],
    });
    const gone = await mesh.endpoint(mesh.b, { pod: far, name: 'far', services: ['lost'] });
    await mesh.a.knows('memory/near', 'lost/far');
    const at = ['--netns', client.name, '--run-dir', mesh.a.runDir];
    await nsmJson('connect', 'memory', ...at, '--interface', `mem?secret=${planted}-memif`);
    await nsmJson('connect', 'lost', ...at);
    await gone.stop();
    // A process whose log is a file, and one with a token on its command line.
    const log = join(mesh.dir, 'endpoint.log');
    const secrets = [
      key,
      `password=${planted}-in-a-log`,
      `etcd://root:${planted}@192.0.2.1:2379`,
      `authorization: Bearer ${planted}-bearer-token`,
      `eyJhbGciOiJSUzI1NiJ9.${planted}.${planted}`,
      `etcd refused ${password}`,
      'the last line',
    ];
    writeFileSync(log, `${secrets.join('\n')}\n`);
    const endpoint = `endpoint icmp-responder --service log --name log --run-dir ${mesh.a.runDir}`;
    others.push(
      await spawnIn(near.name, 'sh', ['-c', `exec ${process.execPath} ${nsmProgram} ${endpoint} >>${log}`]),
      await mesh.spawn(mesh.a.namespace.name, 'is shown at', [
        ...['dashboard', '--listen', '127.0.0.1:0', '--run-dir', mesh.a.runDir],
        ...['--token', `${planted}-token-of-a-page`],
      ]),
    );
    await mesh.a.knows('log/log');
    await waitFor(async () => (await states()).includes('FAILED'), { what: 'a connection that failed' });
  }, 60_000);
  afterAll(async () => {
    for (const process of others) await process.stop();
    await mesh?.stop();
  });

  const states = async (): Promise<string[]> => (await mesh.a.connections()).map(({ state }) => state);

  const gather = async (name: string): Promise<Gathered> => {
    const file = join(mesh.dir, name);
    const args = [
      nsmProgram,
      'gather',
      '-o',
      file,
      '--run-dir',
      mesh.a.runDir,
      '--state-dir',
      mesh.a.stateDir,
      '--json',
    ];
    const told = JSON.parse(await run(mesh.a.namespace.name, process.execPath, args)) as Omit<
      Gathered,
      'texts'
    >;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const names = execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).trim().split('\n');
    const text = (entry: string): string => execFileSync('tar', ['-xzOf', file, entry], { encoding: 'utf8' });
    return { ...told, texts: new Map(names.map((entry) => [entry.replace(/^[^/]*\//, ''), text(entry)])) };
  };

  it('has all that both managers and this machine tell, and no secret', async () => {
    const { texts, missing, files } = await gather('well.tar.gz');
    expect(texts.size).toBe(files);
    const [connections, explained] = ['managers/node-a/connections.json', 'managers/node-a/explained/1.json'];
    for (const name of [
      connections,
      explained,
      'managers/node-b/status.json',
      'network/node.json',
      'checks.json',
      'sysctls.json',
    ])
      expect(texts.has(name), name).toBe(true);
    const [failed] = JSON.parse(texts.get(connections)!) as { service: string; history: unknown[] }[];
    expect(failed).toMatchObject({ service: 'lost', state: 'FAILED' });
    expect(failed?.history.length).toBeGreaterThan(1);
    expect(texts.get(explained)).toContain('no endpoint provides network service \\"lost\\"');
    expect(texts.get('managers/node-a/policy.txt')).toContain('effect: allow');
    expect(texts.get('processes.json')).toMatch(/"maxEntries": \d+/);
    const [log] = [...texts].filter(([name]) => name.startsWith('logs/endpoint-'));
    expect(log?.[1]).toContain('the last line');
    expect(Object.keys(missing).filter((what) => what.startsWith('manager'))).toEqual([]);
    const all = [...texts].map(([name, text]) => `${name}\n${text}`).join('\n');
    const places = all.split('\n').filter((line) => line.includes(planted));
    expect(places).toEqual([]);
    const authority = readFileSync('/var/lib/nsm/pki/ca.key', 'utf8').split('\n')[1]!;
    expect(all).not.toContain(authority);
  });

  it('waits for nothing that a process of another user names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nsm-stranger-'));
    chmodSync(folder, 0o755);
    try {
      writeFileSync(join(folder, 'nsm'), 'echo started >&2; sleep 100\n');
      execFileSync('mkfifo', ['-m', '666', join(folder, 'pipe')]);
      const named = `endpoint --run-dir ${mesh.a.runDir} --etcd-password-file ${folder}/pipe`;
      const user = ['--reuid=61001', '--regid=61001', '--clear-groups'];
      await using stranger = await spawnIn(undefined, 'setpriv', [
        ...user,
        ...['sh', '-c', `exec sh ${folder}/nsm ${named} 1<>${folder}/pipe`],
      ]);
      await waitFor(() => stranger.output().includes('started'), { what: 'the stranger' });
      const { texts } = await gather('stranger.tar.gz');
      expect(texts.get('processes.json')).toContain(`${folder}/pipe`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has what there is when the manager is down, and says what is missing', async () => {
    await mesh.a.end('SIGKILL');
    const { texts, missing } = await gather('down.tar.gz');
    expect(missing[`manager ${mesh.a.runDir}`]).toMatch(/no manager answers/);
    expect(texts.get('README.txt')).toContain(`manager ${mesh.a.runDir}: no manager answers`);
    expect(texts.has('network/node.json')).toBe(true);
    await mesh.a.start();
  });
});
