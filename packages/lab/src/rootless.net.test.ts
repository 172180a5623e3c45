// A lab of an ordinary user: user, network, mount and pid namespaces of its own, with a stand-in for nsm.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const nobody = 65534;
const asNobody = { uid: nobody, gid: nobody, encoding: 'utf8' } as const;
const local = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can become another user';
  const tried = spawnSync('unshare', ['--user', '--map-root-user', '--net', '--mount', 'true'], asNobody);
  if (tried.status !== 0) return `this kernel gives ordinary users no user namespace: ${tried.stderr.trim()}`;
  const readable = spawnSync(process.execPath, ['--version'], asNobody);
  if (readable.status !== 0) return 'an ordinary user cannot run this node';
  return undefined;
}

it('a lab comes up, is measured and leaves nothing, without root', (context) => {
  const reason = missing();
  if (reason) context.skip(reason);
  const folder = mkdtempSync(join(tmpdir(), 'lab-'));
  try {
    const file = join(folder, 'lab.yaml');
    writeFileSync(
      file,
      `name: rootless-${process.pid}
nodes: { node-a: , node-b: }
pods: { alice: node-a, echo: node-b }
endpoints: [{ pod: echo, kind: icmp-responder }]
clients: [{ pod: alice, service: icmp-responder }]
`,
    );
    spawnSync('chmod', ['-R', 'a+rX', folder]);
    const script = `
      import { labUp } from ${JSON.stringify(local('./index.js'))};
      const command = [process.execPath, ${JSON.stringify(local('./nsm.test.stand-in.js'))}];
      const { ok } = await labUp(${JSON.stringify(file)}, { once: true, json: true, command });
      process.exitCode = ok ? 0 : 1;`;
    const ran = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      ...asNobody,
      cwd: '/',
    });
    expect(ran.stderr).toContain('nothing remains');
    expect(ran.status).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      ok: true,
      connections: [{ client: 'alice', state: 'UP' }],
    });
    // None of it was ever in this mount namespace.
    expect(existsSync('/run/netns') ? readdirSync('/run/netns') : []).not.toContain(
      `nsm-rootless-${process.pid}-alice`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
