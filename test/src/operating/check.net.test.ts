// nsm check on machines with faults that are made for real: each is named by its code, with the command that mends it, and no other is.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority, issueFiles } from '@nsm/pki';
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { nsmProgram } from '../mesh/nsm-command.js';
import { underlayDevice } from '../mesh/underlay.js';

interface Checked {
  readonly code: string;
  readonly level: 'well' | 'warning' | 'broken' | 'untried';
  readonly what: string;
  readonly mend: string;
}

interface Ending {
  readonly status: number;
  readonly stdout: string;
}

/** Folder of the authority of all managers on this machine. */
const pkiDir = '/var/lib/nsm/pki';
const hourMs = 3_600_000;

const ended = (
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ending> =>
  new Promise((resolve) => {
    execFile(command, args, { env }, (error, stdout) =>
      resolve({ status: error ? Number(error.code ?? -1) : 0, stdout }),
    );
  });

/** Checks that are not well, by their codes; of several with one code the worst. */
const wrong = ({ stdout }: Ending): Map<string, Checked> => {
  const { checks } = JSON.parse(stdout) as { readonly checks: readonly Checked[] };
  const worse = ['warning', 'broken'].flatMap((wanted) => checks.filter(({ level }) => level === wanted));
  return new Map(worse.map((one) => [one.code, one]));
};

describe.skipIf(!requireRoot('check'))('nsm check', () => {
  let mesh: Mesh;
  const certificates = (): string => join(mesh.b.dir, 'tls');

  const issue = (authority: Authority, lifeMs: number, dir = certificates()): ReturnType<typeof issueFiles> =>
    issueFiles(authority, { kind: 'manager', name: 'node-b' }, lifeMs, dir);
  const inNode = (node: MeshNode, ...args: readonly string[]): Promise<Ending> =>
    ended('ip', [
      ...['netns', 'exec', node.namespace.name, process.execPath, nsmProgram, 'check', '--json'],
      ...['--run-dir', node.runDir, ...args],
    ]);
  const wrongIn = async (node: MeshNode, ...args: readonly string[]): Promise<Map<string, Checked>> =>
    wrong(await inNode(node, ...args));

  beforeAll(async () => {
    mesh = new Mesh({
      flagsOf: ({ dir }) => {
        if (!dir.endsWith('node-b')) return [];
        const { cert, key, ca } = issue(Authority.open(pkiDir), hourMs, join(dir, 'tls'));
        return ['--tls-cert', cert, '--tls-key', key, '--tls-ca', ca];
      },
    });
    await mesh.joinNodes();
    await mesh.startManagers();
  });
  afterAll(async () => await mesh?.stop());

  it('finds nothing broken where all is well, and writes the same for continuous integration', async () => {
    const junit = join(mesh.dir, 'junit.xml');
    const { status, stdout } = await inNode(mesh.a, '--junit', junit);
    const found = [...wrong({ status, stdout }).values()].filter(({ level }) => level === 'broken');
    expect(found).toEqual([]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ well: true, counts: { broken: 0 } });
    expect(readFileSync(junit, 'utf8')).toMatch(
      /^<\?xml .*\n<testsuites name="nsm check" tests="\d+" failures="0"/,
    );
    expect((await run(mesh.a.namespace.name, 'ip', ['-br', 'link'])).trim().split('\n')).toHaveLength(2);
  });

  it('measures the MTU between nodes, and says what the way takes', async () => {
    await run(mesh.b.namespace.name, 'ip', ['link', 'set', underlayDevice, 'mtu', '1400']);
    const found = await wrongIn(mesh.a, '--only', 'network');
    await run(mesh.b.namespace.name, 'ip', ['link', 'set', underlayDevice, 'mtu', '1500']);
    // A veth device takes four bytes more than its MTU: those of a VLAN tag.
    expect(found.get('NSM0956')).toMatchObject({
      level: 'broken',
      what: expect.stringMatching(/packets of 140[04] bytes reach node-b .* larger ones do not/),
      mend: expect.stringMatching(/^`ip link set underlay mtu 140[04]`/),
    });
  });

  it('says which tunnels a firewall drops', async () => {
    const rules = `add table inet check
      add chain inet check in { type filter hook input priority 0; }
      add rule inet check in ip protocol 47 drop
      add rule inet check in udp dport 4790 reject with icmpx type admin-prohibited`;
    await run(mesh.b.namespace.name, 'nft', [rules]);
    const { stdout } = await inNode(mesh.a, '--only', 'network');
    await run(mesh.b.namespace.name, 'nft', ['delete table inet check']);
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly Checked[] };
    const ways = checks.filter(({ code }) => code === 'NSM0957').map(({ level, what }) => `${level} ${what}`);
    expect(ways).toContainEqual(
      expect.stringMatching(/^warning IP protocol 47 \(GRE, MPLSoGRE\) to node-b: /),
    );
    expect(ways).toContainEqual(
      expect.stringMatching(/^broken UDP port 4790 \(VXLAN_GRE\) to node-b: refused/),
    );
    expect(ways).toContainEqual(expect.stringMatching(/^well UDP port 4789 \(VXLAN\) to node-b: /));
  });

  it('names strict filters where packets may come back by another uplink', async () => {
    const { name } = mesh.a.namespace;
    await run(name, 'ip', ['link', 'add', 'second', 'type', 'veth', 'peer', 'name', 'far']);
    for (const args of [
      ['address', 'add', '198.51.100.1/24', 'dev', 'second'],
      ['link', 'set', 'second', 'up'],
      ['link', 'set', 'far', 'up'],
    ])
      await run(name, 'ip', args);
    await run(name, 'sysctl', ['-qw', 'net.ipv4.conf.second.rp_filter=1']);
    const found = await wrongIn(mesh.a, '--only', 'sysctls');
    await run(name, 'ip', ['link', 'delete', 'second']);
    expect(found.get('NSM0931')).toMatchObject({
      level: 'warning',
      mend: expect.stringContaining('net.ipv4.conf.second.rp_filter=2'),
    });
  });

  it('finds a full disk, a port that is taken, and no manager', async () => {
    const disk = join(mesh.dir, 'disk');
    mkdirSync(disk);
    await run(undefined, 'mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
    try {
      writeFileSync(join(disk, 'all'), Buffer.alloc(2 ** 20));
      const pre = ['--pre', '--only', 'folders', '--state-dir', disk, '--listen', mesh.a.tcp];
      const ending = await inNode(mesh.a, ...pre);
      expect(ending.status).toBe(1);
      const found = wrong(ending);
      expect(found.get('NSM0945')).toMatchObject({
        level: 'broken',
        mend: expect.stringContaining(`df -h ${disk}`),
      });
      expect(found.get('NSM0949')).toMatchObject({
        level: 'broken',
        what: expect.stringContaining('EADDRINUSE'),
      });
      expect((await inNode(mesh.a, '--only', 'network', '--run-dir', disk)).status).toBe(3);
      expect((await inNode(mesh.a, '--only', 'network', '--pre')).status).toBe(1);
      expect((await wrongIn(mesh.a, '--only', 'folders', '--run-dir', disk)).get('NSM0940')).toMatchObject({
        level: 'broken',
        what: expect.stringMatching(/no manager answers on .*admin\.sock/),
      });
    } finally {
      await run(undefined, 'umount', [disk]);
    }
  });

  it('names the capabilities that are lacking, and a private /run/netns', async () => {
    const check = [process.execPath, nsmProgram, 'check', '--json', '--pre', '--only', 'permissions'];
    const bare = await ended('setpriv', ['--bounding-set=-net_admin', ...check]);
    expect(wrong(bare).get('NSM0920')).toMatchObject({
      level: 'broken',
      what: expect.stringContaining('lacks CAP_NET_ADMIN'),
    });
    const inside = `mount -t tmpfs tmpfs /run/netns && exec "$@"`;
    const apart = ['--mount', '--propagation', 'private', 'sh', '-c', inside, 'sh', ...check];
    expect(wrong(await ended('unshare', apart)).get('NSM0926')).toMatchObject({
      level: 'broken',
      mend: expect.stringContaining('rslave'),
    });
  });

  it('writes marks that every terminal knows where the locale has no Unicode', async () => {
    const args = [nsmProgram, 'check', '--pre', '--only', 'folders', '--run-dir', join(mesh.dir, 'nothing')];
    const { stdout } = await ended(process.execPath, args, { ...process.env, LC_ALL: 'C' });
    expect(stdout).toMatch(/^\+ /m);
    expect(stdout).not.toMatch(/[^\n -~]/);
    expect((await ended(process.execPath, args, { ...process.env, LC_ALL: 'C.UTF-8' })).stdout).toMatch(
      /^√ /m,
    );
  });

  it('names a certificate that has expired, a foreign authority, and a manager that is down', async () => {
    issue(Authority.open(pkiDir), 2500);
    await waitFor(async () => (await wrongIn(mesh.b, '--only', 'certificates')).has('NSM0960'), {
      timeout: 10_000,
      what: 'the certificate of node-b expiring',
    });
    const foreign = join(mesh.dir, 'foreign');
    issue(Authority.open(foreign), hourMs);
    await mesh.b.end('SIGKILL');
    expect((await wrongIn(mesh.a, '--only', 'network')).get('NSM0951')).toMatchObject({
      what: expect.stringMatching(/^node-b on 10\.9\.0\.2:5001: /),
      mend: expect.stringContaining('nc -vz 10.9.0.2 5001'),
    });
    await mesh.b.start();
    const found = await wrongIn(mesh.a, '--only', 'certificates');
    expect(found.get('NSM0964')).toMatchObject({
      level: 'broken',
      what: expect.stringMatching(/^node-b .*authority/),
      mend: expect.stringContaining('--join'),
    });
    expect((await wrongIn(mesh.b, '--only', 'registry')).get('NSM0970')).toMatchObject({ level: 'broken' });
    rmSync(foreign, { recursive: true });
  });
});
