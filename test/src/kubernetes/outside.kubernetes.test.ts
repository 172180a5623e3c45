// A machine that is no node of the cluster, whose manager has the cluster's registry: services of each are the other's.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, attached } from './annotated.js';
import { powerScript } from './config.js';
import { eventually } from './eventually.js';
import { clone, managerNodes, system } from './installation.js';
import { endpoints } from './pods.js';
import { power, requirePower } from './power.js';
import { TestNamespace } from './test-namespace.js';

const nsm = [process.execPath, join(clone, 'packages/cli/bin/nsm.js')];
const port = 5001;

describe.skipIf(!requirePower('a manager outside'))('a manager outside', () => {
  let here: TestNamespace;
  let folder: string;
  const running: ChildProcess[] = [];

  /** Runs on the machine outside until the end of the suite. @returns what it has written so far. */
  function start(...command: readonly string[]): () => string {
    const child = spawn(powerScript ?? '', ['outside', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
    return () => text;
  }

  /** Flags for one of the cluster's authority: who may read its key gives certificates to machines that are no nodes. */
  async function certificate(): Promise<string[]> {
    const { data } = await system.get<{ data: Record<string, string> }>('secret/nsm-authority');
    const [pki, out] = [join(folder, 'pki'), join(folder, 'issued')];
    mkdirSync(pki, { mode: 0o700 });
    for (const [name, value] of Object.entries(data))
      writeFileSync(join(pki, name), Buffer.from(value, 'base64'), { mode: 0o600 });
    const [program = '', ...args] = nsm;
    execFileSync(program, [...args, 'pki', 'issue', 'outside', '--dir', pki, '--out', out]);
    const files = { cert: 'tls.crt', key: 'tls.key', ca: 'ca.crt' };
    return Object.entries(files).flatMap(([flag, file]) => [`--tls-${flag}`, join(out, file)]);
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-outside-'));
    here = await TestNamespace.create('outside');
    const [node = ''] = await managerNodes();
    const { status } = await system.get<{ status: { addresses: { type: string; address: string }[] } }>(
      `node/${node}`,
    );
    const { address = '' } = status.addresses.find(({ type }) => type === 'InternalIP') ?? {};
    const route = await power('outside', 'ip', 'route', 'get', address);
    const [, own = ''] = / src (\S+)/.exec(route) ?? [];
    const log = start(
      ...[
        ...nsm,
        'manager',
        '--name',
        'outside',
        '--registry',
        `kubernetes:${system.name}`,
        '--no-attach-pods',
      ],
      ...['--run-dir', join(folder, 'run'), '--state-dir', join(folder, 'state')],
      ...(await certificate()),
      ...['--listen', `[${own}]:${port}`, '--advertise', `[${own}]:${port}`],
    );
    await eventually('the manager outside is ready', async () => log().includes('"msg":"ready"')).catch(
      (error) => {
        throw new Error(log(), { cause: error });
      },
    );
    await here.apply(endpoints('echo', 'icmp-responder', 'inside-echo', { node }));
    await here.rolledOut('deployment/echo');
  });

  afterAll(async () => {
    for (const child of running.toReversed()) {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    }
    if (folder) rmSync(folder, { recursive: true });
    await here?.[Symbol.asyncDispose]();
  });

  it('is a manager of the cluster’s mesh', async () => {
    await system.until('nsmgr/outside', 'jsonpath={.status.state}=Alive');
  });

  it('provides a service to pods', async () => {
    const endpoint = ['endpoint', 'icmp-responder', '--service', 'outside-echo', '--name', 'outside-echo'];
    // Neither has the manager's own network.
    start('unshare', '--net', ...nsm, ...endpoint, '--run-dir', join(folder, 'run'), '--wait', '30s');
    await here.apply(attached('client', 'outside-echo'));
    await here.rolledOut('deployment/client');
    await answered(here, 'deployment/client');
    expect(await here.kubectl(['get', 'nse', '--all-namespaces'])).toMatch(/outside-echo/);
  });

  it('connects to a service of pods', async () => {
    const connect = [
      ...nsm,
      'connect',
      'inside-echo',
      '--run-dir',
      join(folder, 'run'),
      '--wait',
      '30s',
      '--json',
    ];
    const script = `${connect.map((word) => `'${word}'`).join(' ')} >'${folder}/told' &&
      ping -c 3 "$(sed -n 's/.*"peerAddresses": *\\[ *"\\([^"]*\\)".*/\\1/p' '${folder}/told')"`;
    expect(await power('outside', 'unshare', '--net', 'sh', '-c', script)).toMatch(/ 3 received/);
  });
});
