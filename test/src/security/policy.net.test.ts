// A policy on two nodes: what no rule allows is denied, reserved services stay reserved, both managers decide, a new policy holds for what
// there is, and the audit log tells of it all.
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ipJson, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { nsm, nsmJson } from '../mesh/nsm-command.js';

const user = 61_001;
const open = 'rules: [{ name: all, effect: allow }]\n';
const ruled = `
namespaces: [{ netns: "*-red", labels: { tenant: red } }]
reserve: { secure: [{ uid: 0 }] }
rules:
  - { name: providers, effect: allow, actions: provide }
  - { name: red-secure, effect: allow, actions: request, services: [secure, plain], subjects: [{ labels: { tenant: red } }], limits: { connections: 7 } }
`;

interface Line {
  readonly event: string;
  readonly outcome: string;
  readonly rule?: string;
  readonly who?: Readonly<Record<string, unknown>>;
  readonly what?: Readonly<Record<string, unknown>>;
}

describe.skipIf(!requireRoot('policy'))('a policy', () => {
  let mesh: Mesh;
  let red: Pod;
  let blue: Pod;
  let inRed: Agent;
  let inBlue: Agent;
  let folder: string;

  const fileOf = ({ dir }: Pick<MeshNode, 'dir'>): string => join(dir, 'policy.yaml');
  const auditOf = ({ dir }: Pick<MeshNode, 'dir'>): string => join(dir, 'audit.log');
  const lines = (node: MeshNode): Line[] =>
    readFileSync(auditOf(node), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  /** Puts a policy in force. */
  const rule = async (node: MeshNode, text: string): Promise<void> => {
    writeFileSync(`${fileOf(node)}.new`, text);
    renameSync(`${fileOf(node)}.new`, fileOf(node));
    await waitFor(async () => (await shown(node)).text === text);
  };
  const shown = (node: MeshNode): Promise<{ readonly text: string; readonly error: string }> =>
    nsm('policy', 'show', '--run-dir', node.runDir, '--json').then(({ stdout }) => JSON.parse(stdout));

  beforeAll(async () => {
    mesh = await Mesh.start({
      flagsOf: ({ dir }) => {
        mkdirSync(dir, { recursive: true });
        writeFileSync(fileOf({ dir }), open, { mode: 0o644 });
        return ['--policy', fileOf({ dir }), '--audit-log', auditOf({ dir })];
      },
    });
    [red, blue] = [mesh.pod('red'), mesh.pod('blue')];
    folder = join(mesh.dir, 'user');
    chmodSync(mesh.dir, 0o711);
    mkdirSync(folder);
    chownSync(folder, user, user);
    [inRed, inBlue] = await Promise.all([
      mesh.agent(red, { user }),
      mesh.agent(blue, { user }),
      mesh.endpoint(mesh.a, { pod: mesh.pod('here'), name: 'here', services: ['plain'] }),
      mesh.endpoint(mesh.b, { pod: mesh.pod('there'), name: 'there', services: ['secure'] }),
    ]);
    await mesh.a.knows('plain/here', 'secure/there');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  const connect = (agent: Agent, { netns }: Pod, service: string, requestId = 'pod') =>
    agent.connect(mesh.a.runDir, { requestId, service, netns });
  const close = (agent: Agent, service: string, requestId = 'pod') =>
    agent.close(mesh.a.runDir, requestId, service);

  it('is shown as it is written', async () => {
    await rule(mesh.a, ruled);
    const { stdout } = await nsm('policy', 'show', '--run-dir', mesh.a.runDir);
    expect(stdout).toContain(ruled.trimEnd());
  });

  it('denies what no rule allows, and does not say what there is', async () => {
    await rule(mesh.a, ruled);
    const [there, nowhere] = await Promise.all(
      ['secure', 'nowhere'].map((service) => connect(inBlue, blue, service)),
    );
    const words = (service: string): string =>
      `network service "${service}": not allowed by rule "default" (NSM0106)`;
    expect([there?.error, nowhere?.error]).toEqual([words('secure'), words('nowhere')]);
    expect(await connect(inRed, red, 'secure')).toMatchObject({ accepted: true, error: '' });
    await close(inRed, 'secure');
    // Of services, a client hears of those that it may ask for.
    expect((await connect(inRed, red, 'plane')).error).toMatch(/not allowed by rule "default"/);
  });

  it('keeps a reserved service from an impostor of the same node', async () => {
    await rule(mesh.a, ruled);
    const socket = join(folder, 'e.sock');
    await inBlue.serve(socket, { kind: 'answer', netns: blue.netns });
    const { error } = await inBlue.advertise(mesh.a.runDir, { service: 'secure', name: 'impostor', socket });
    expect(error).toBe('network service "secure": not allowed by rule "reserve secure" (NSM0106)');
    expect((await inBlue.advertise(mesh.a.runDir, { service: 'mine', name: 'own', socket })).error).toBe('');
    expect(
      await nsmJson('explain', 'secure', '--run-dir', mesh.a.runDir, '--as', `netns=${red.name}`),
    ).toEqual([expect.objectContaining({ name: 'there', rank: 1, rule: 'red-secure' })]);
  });

  it("is decided by the endpoint's manager, too, whatever the client's manager lets through", async () => {
    await rule(mesh.a, open);
    await rule(
      mesh.b,
      `rules: [{ name: not-a, effect: deny, actions: request, subjects: [{ manager: node-a }] }, { name: all, effect: allow }]`,
    );
    const { error } = await connect(inRed, red, 'secure');
    expect(error).toMatch(/not allowed by rule "not-a"/);
    // The facts of the client come along.
    await rule(
      mesh.b,
      `rules: [{ name: red, effect: allow, subjects: [{ netns: "${red.name}", uid: ${user} }] }, { name: providers, effect: allow, actions: provide }]`,
    );
    expect((await connect(inBlue, blue, 'secure')).error).toMatch(/not allowed by rule "default"/);
    expect(await connect(inRed, red, 'secure')).toMatchObject({ accepted: true, error: '' });
    await close(inRed, 'secure');
    await rule(mesh.b, open);
  });

  it('closes what it does not allow any more, here and on the other node', async () => {
    await rule(mesh.a, ruled);
    await rule(mesh.b, open);
    expect((await connect(inRed, red, 'plain')).error).toBe('');
    expect((await connect(inRed, red, 'secure')).error).toBe('');
    // A file that cannot be read whole changes nothing.
    writeFileSync(fileOf(mesh.a), 'rules: [{ name: a, effect: alow }]');
    await waitFor(async () =>
      (await shown(mesh.a)).error.includes('rules[0].effect: "alow" is not accepted'),
    );
    expect((await mesh.a.connections()).map(({ state }) => state)).toEqual(['UP', 'UP']);
    await rule(mesh.a, ruled.replace('[secure, plain]', '[plain]'));
    await waitFor(
      async () => (await mesh.a.connections()).length === 1 && (await mesh.b.connections()).length === 0,
    );
    const links = await ipJson(red.name, ['link']);
    expect(links.filter(({ ifname }) => String(ifname).startsWith('nsm'))).toHaveLength(1);
    await close(inRed, 'plain');
  });

  it('withholds the endpoints that it does not let provide any more, until it does', async () => {
    await rule(mesh.a, open);
    const socket = join(folder, 'late.sock');
    await inRed.serve(socket, { kind: 'answer', netns: red.netns });
    expect((await inRed.advertise(mesh.a.runDir, { service: 'late', name: 'late', socket })).error).toBe('');
    await mesh.b.knows('late/late');
    await rule(mesh.a, ruled.replace('actions: provide', 'actions: provide, subjects: [{ uid: 0 }]'));
    const provided = async (): Promise<readonly { readonly service: string }[]> =>
      await nsmJson('get', 'endpoints', '--run-dir', mesh.b.runDir);
    await waitFor(async () => !(await provided()).some(({ service }) => service === 'late'));
    await rule(mesh.a, open);
    await mesh.b.knows('late/late');
  });

  it('is tried by nsm policy test, of a manager and of a file', async () => {
    await rule(mesh.a, ruled);
    const ask = (...args: string[]) => nsm('policy', 'test', ...args, '--json');
    const [allowed, denied, offline] = await Promise.all([
      ask(`netns=${red.name}`, 'secure', '--run-dir', mesh.a.runDir),
      ask('netns=blue', 'secure', '--run-dir', mesh.a.runDir),
      ask('uid=5', 'secure', '--action', 'provide', '--policy', fileOf(mesh.a)),
    ]);
    expect([allowed.status, JSON.parse(allowed.stdout)]).toEqual([
      0,
      [
        expect.objectContaining({
          endpoint: 'there',
          allowed: true,
          rule: 'red-secure',
          limits: { connections: 7 },
        }),
      ],
    ]);
    expect([denied.status, JSON.parse(denied.stdout)]).toEqual([
      1,
      [expect.objectContaining({ allowed: false, rule: 'default' })],
    ]);
    expect([offline.status, JSON.parse(offline.stdout)]).toEqual([
      1,
      [expect.objectContaining({ allowed: false, rule: 'reserve secure' })],
    ]);
  });

  it('limits how much its subjects may have', async () => {
    await rule(mesh.a, ruled.replace('connections: 7', 'connections: 1'));
    expect((await connect(inRed, red, 'plain', 'first')).error).toBe('');
    expect((await connect(inRed, red, 'plain', 'second')).error).toMatch(
      /has 1 of 1 connections.*of the policy's rule "red-secure"/,
    );
    await close(inRed, 'plain', 'first');
    // Before anything is asked for: the agent has one connection to the manager already.
    await rule(mesh.a, ruled.replace('connections: 7', 'sockets: 1'));
    const another = await mesh.agent(red);
    await expect(connect(another, red, 'plain', 'third')).rejects.toThrow(
      /has \d+ of 1 connections to the manager.*raise limits.sockets of the policy's rule "red-secure"/,
    );
    await another.stop();
  });

  it('that is not in order keeps a manager from starting', async () => {
    const bad = join(mesh.dir, 'bad.yaml');
    writeFileSync(bad, 'ruls: []');
    const { status, stderr } = await nsm(
      ...[
        'manager',
        '--name',
        'bad',
        '--run-dir',
        join(mesh.dir, 'bad'),
        '--state-dir',
        join(mesh.dir, 'bad-state'),
      ],
      ...['--listen', '127.0.0.1:0', '--advertise', '127.0.0.1:5001', '--policy', bad],
    );
    expect([status, stderr]).toEqual([1, expect.stringContaining(`${bad}:1:1: ruls: unknown key`)]);
  });

  it('leaves a line of each call that is refused, by a limit of the policy or the manager, or for what it says', async () => {
    await rule(mesh.a, ruled.replace('connections: 7', 'connections: 0'));
    const who = expect.objectContaining({
      uid: user,
      inode: red.inode,
      cookie: expect.any(String),
      pid: inRed.pid,
    });
    const told = (outcome: string, what: object): Promise<unknown> =>
      waitFor(() =>
        lines(mesh.a).some((line) => {
          try {
            expect(line).toMatchObject({ event: 'call', outcome, who, what });
            return true;
          } catch {
            return false;
          }
        }),
      );
    await connect(inRed, red, 'plain', 'limited');
    await told('refused NSM0006', { call: 'requestConnection', request: 'limited', service: 'plain' });
    await connect(inRed, red, 'a b', 'malformed');
    await told('refused NSM0101', { request: 'malformed', service: 'a b' });
    await nsm('drain', '--undo', '--run-dir', mesh.a.runDir);
    await waitFor(() =>
      lines(mesh.a).some(
        ({ outcome, what, who: by }) => outcome === 'accepted' && what?.call === 'drain' && by?.uid === 0,
      ),
    );
  });

  it('leaves a line of each decision and change in the audit log', async () => {
    await rule(mesh.a, ruled);
    const { inode } = red;
    expect((await connect(inRed, red, 'secure', 'audited')).error).toBe('');
    expect((await connect(inBlue, blue, 'secure', 'denied')).error).toMatch(/NSM0106/);
    const bench = await nsm('bench', 'audited', '--duration', '50ms', '--run-dir', mesh.a.runDir);
    expect(bench).toMatchObject({ status: 0 });
    await close(inRed, 'secure', 'audited');
    const has = (line: object, node: MeshNode = mesh.a): Promise<unknown> =>
      waitFor(() => {
        try {
          expect(lines(node)).toContainEqual(expect.objectContaining(line));
          return true;
        } catch {
          return false;
        }
      });
    const who = (more: object) => expect.objectContaining(more);
    await has({
      event: 'decision',
      outcome: 'allowed',
      rule: 'red-secure',
      who: who({ uid: user, inode, netns: red.name }),
    });
    await has({ event: 'decision', outcome: 'denied', rule: 'default', who: who({ netns: blue.name }) });
    await has({
      event: 'connection',
      outcome: 'UP',
      who: who({ inode }),
      what: who({ request: 'audited', endpoint: 'there' }),
    });
    await has({ event: 'connection', outcome: 'REMOVED', what: who({ request: 'audited' }) });
    await has({ event: 'call', outcome: 'accepted', what: who({ call: 'benchConnection' }) });
    await has({ event: 'call', outcome: 'accepted', what: who({ call: 'serveBench' }) }, mesh.b);
    await has({ event: 'endpoint', outcome: 'registered', what: who({ endpoint: 'there', node: 'node-b' }) });
    await has({ event: 'manager', outcome: 'joined', what: who({ name: 'node-b' }) });
    await has({ event: 'policy', outcome: 'in force' });
    await has({ event: 'policy', outcome: 'refused' });
    expect(lines(mesh.a).filter(({ event }) => event === 'policy')[0]).toMatchObject({
      outcome: 'in force',
      what: { file: fileOf(mesh.a), digest: createHash('sha256').update(open).digest('hex') },
    });
    await has({ event: 'registry', what: who({ write: 'registerManager', name: 'node-b' }) });
    expect(statSync(auditOf(mesh.a)).mode & 0o777).toBe(0o600);
  });
});
