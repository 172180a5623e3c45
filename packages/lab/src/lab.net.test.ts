// Whole labs in the kernel, with a stand-in for nsm: up, table, exec, inspect, down, and nothing left in any case.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNamespace, deleteNamespace } from '@nsm/netlink';
import type { LineSink } from '@nsm/output';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { labDown, labExec, labInspect, labList, labUp } from './index.js';
import type { LabUpOptions } from './options.js';
import { LabFolder } from './state/lab-folder.js';
import { isAlive } from './state/process-identity.js';

const command = [process.execPath, fileURLToPath(new URL('./nsm.test.stand-in.js', import.meta.url))];
const namespaces = (): string[] => (existsSync('/run/netns') ? readdirSync('/run/netns') : []);

class Captured implements LineSink {
  text = '';
  readonly #waiting: { readonly wanted: string; readonly resolve: () => void }[] = [];
  write(text: string): void {
    this.text += text;
    for (const { wanted, resolve } of this.#waiting) if (this.text.includes(wanted)) resolve();
  }
  async contains(wanted: string): Promise<void> {
    if (this.text.includes(wanted)) return;
    await new Promise<void>((resolve) => this.#waiting.push({ wanted, resolve }));
  }
}

let name = '';
let folder = '';
let stdout: Captured;
let stderr: Captured;
let abort: AbortController;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lab-'));
  name = `t${process.pid}-${Math.floor(performance.now())}`;
  stdout = new Captured();
  stderr = new Captured();
  abort = new AbortController();
});
afterEach(async () => {
  await labDown(name, { output: { stdout: new Captured(), stderr: new Captured() } });
  rmSync(folder, { recursive: true });
  expect(namespaces().filter((each) => each.includes(name))).toEqual([]);
  expect(new LabFolder(name).exists).toBe(false);
});

const file = (more: string): string => {
  const path = join(folder, 'lab.yaml');
  writeFileSync(path, `name: ${name}\n${more}`);
  return path;
};
const up = (path: string, options: LabUpOptions = {}): ReturnType<typeof labUp> =>
  labUp(path, { command, signal: abort.signal, output: { stdout, stderr }, ...options });

const small = `
nodes: { node-a: , node-b: }
pods: { alice: node-a, bob: node-b, echo: { node: node-a, links: [world] } }
outside: { world: { prefix: [203.0.113.0/24, 2001:db8:1::/64] } }
endpoints: [{ pod: echo, kind: icmp-responder }]
clients: [{ pod: alice, service: icmp-responder }, { pod: bob, service: icmp-responder, options: { v6: true } }]
checks: [{ from: echo, to: world }]
`;

describe('labUp', () => {
  it('brings a lab up, measures it both ways, sends a stream through every connection, and leaves nothing', async () => {
    const { ok, report } = await up(file(`${small}\nthroughput: true`), { once: true });
    expect(stderr.text).toContain('nothing remains');
    expect(ok).toBe(true);
    expect(report?.connections).toMatchObject([
      {
        client: 'alice',
        endpoint: 'echo',
        node: 'node-a',
        endpointNode: 'node-a',
        tunnel: null,
        state: 'UP',
      },
      {
        client: 'bob',
        endpoint: 'echo',
        node: 'node-b',
        endpointNode: 'node-a',
        tunnel: 'VXLAN 7',
        state: 'UP',
      },
    ]);
    expect(report?.checks).toMatchObject([{ from: 'echo', to: 'world', ok: true, roundTrips: [{}, {}] }]);
    for (const { throughput } of report?.connections ?? []) expect(throughput).toBeGreaterThan(0);
    expect(stdout.text).toMatch(/^CLIENT +SERVICE +ENDPOINT +NODE.* THROUGHPUT/m);
    expect(stdout.text).toMatch(/^bob .* node-b → node-a +nsm0 +VXLAN 7 +fd00:\w+::1\/127 +1500 .* UP$/m);
  });

  it('stays until it is told to stop, and kills what does not end; meanwhile others look, run commands and are refused a second one', async () => {
    const stubborn = file(small.replace('node-b:', 'node-b: { options: { stubborn: true } }'));
    const running = up(stubborn, { graceMs: 500 });
    await stderr.contains('Ctrl-C');
    const output = { stdout: new Captured(), stderr: new Captured() };
    expect(labList({ json: true, output })).toContainEqual(
      expect.objectContaining({ name, state: 'up', nodes: 2, pods: 3 }),
    );
    expect((await labInspect(name, { output })).ok).toBe(true);
    expect(await labExec(name, 'alice', ['sh', '-c', 'exit 3'])).toBe(3);
    await expect(labExec(name, 'alicia', ['true'])).rejects.toThrow(/did you mean alice/);
    await expect(up(file(small))).rejects.toMatchObject({ kind: 'conflict' });
    const manager = new LabFolder(name).processes().find((each) => each.name === 'node-b');
    abort.abort();
    expect((await running).ok).toBe(true);
    expect(manager && isAlive(manager.identity)).toBe(false);
  });

  it('is not ok when packets do not come back and when a client is refused, and says which and why', async () => {
    const two = small
      .replace('service: icmp-responder }', 'service: icmp-responder, options: { refuse: true } }')
      .replace('v6: true', 'mute: true');
    const { ok } = await up(file(two), { once: true });
    expect(ok).toBe(false);
    expect(stdout.text).toMatch(/bob .* NO PACKETS$/m);
    expect(stdout.text).toMatch(/bob → icmp-responder: no answer to ping of [\d.]+\.0 from bob/);
    expect(stdout.text).toContain('no endpoint provides network service "icmp-responder"');
  });

  it('gives up at once when a manager ends, with the end of its log', async () => {
    const broken = file(small.replace('node-b:', 'node-b: { options: { fail: true } }'));
    await expect(up(broken)).rejects.toMatchObject({
      code: 'NSM0105',
      message: 'nsm manager in node-b exited with status 7: nsm: out of order, as asked',
    });
  });

  it('removes what was made so far when it is stopped halfway', async () => {
    const running = up(file(small));
    await stderr.contains('✓ network namespaces');
    abort.abort();
    expect(await running).toEqual({ ok: false });
  });

  it('refuses a namespace of the same name that is not its own', async () => {
    createNamespace(`nsm-${name}-alice`);
    try {
      await expect(up(file(small))).rejects.toMatchObject({ kind: 'conflict' });
    } finally {
      deleteNamespace(`nsm-${name}-alice`);
    }
  });

  it('removes itself when nobody reads its table any more', () => {
    // As in `nsm lab up FILE | head -1`, with a program that by itself would end at once.
    const script = `
      import { labUp } from ${JSON.stringify(new URL('./index.js', import.meta.url).pathname)};
      process.stdout.on('error', () => process.exit(9));
      await labUp(${JSON.stringify(file(small))}, { command: ${JSON.stringify(command)} });
      process.exit(0);`;
    const ran = spawnSync(
      'sh',
      [
        '-c',
        '{ "$0" --input-type=module --eval "$1"; echo status $? >&2; } | true',
        process.execPath,
        script,
      ],
      { encoding: 'utf8' },
    );
    expect(ran.stderr).toContain('nothing remains');
    expect(ran.stderr).toContain('status 0');
  });

  it('keeps a lab until it is taken down, and prints only JSON on stdout when asked', async () => {
    expect((await up(file(small), { keep: true, json: true })).ok).toBe(true);
    expect(JSON.parse(stdout.text)).toMatchObject({ lab: name, ok: true });
    await expect(up(file(small))).rejects.toThrow(/it was kept/);
    expect((await labDown(name, { output: { stdout, stderr } })).ok).toBe(true);
  });
});
