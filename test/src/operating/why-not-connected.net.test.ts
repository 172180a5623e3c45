// "Why is this pod not connected?", asked in one command, for eleven faults that are made on purpose: the answer names the cause.
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Authority, issueFiles } from '@nsm/pki';
import { type Running, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { nsm, nsmProgram } from '../mesh/nsm-command.js';
import { pkiDir } from '../security/shown-certificates.js';

const hourMs = 3_600_000;
const certificateOwner = { kind: 'manager', name: 'node-b' } as const;
const policy = `rules:
  - { name: no-vault-for-pods, effect: deny, actions: request, services: vault }
  - { name: all-else, effect: allow }
`;

describe.skipIf(!requireRoot('why not connected'))('a pod is not connected, as', () => {
  let mesh: Mesh;
  let client: Pod;
  let hanging: Running;
  let certificates: string;

  beforeAll(async () => {
    mesh = await Mesh.start({
      switched: { nodes: 2 },
      flags: ['--tunnel', 'by-gre=gre'],
      flagsOf: ({ dir }) => {
        mkdirSync(dir, { recursive: true });
        writeFileSync(join(dir, 'policy.yaml'), policy);
        const flags = ['--policy', join(dir, 'policy.yaml')];
        if (basename(dir) === 'node-a') return flags;
        // Its certificate is in files, so that another one can come.
        certificates = join(dir, 'tls');
        const owner = { kind: 'manager', name: 'node-b' } as const;
        const { cert, key, ca } = issueFiles(Authority.open(pkiDir), owner, hourMs, certificates);
        return [...flags, '--tls-cert', cert, '--tls-key', key, '--tls-ca', ca];
      },
    });
    client = mesh.pod('client');
    await mesh.endpoint(mesh.b, {
      pod: mesh.pod('far'),
      name: 'far',
      services: ['far', 'by-gre', 'vault'],
      flags: ['--label', 'tier=gold'],
    });
    hanging = await mesh.endpoint(mesh.a, {
      pod: mesh.pod('hanging'),
      name: 'hanging',
      services: ['hanging'],
    });
    await mesh.endpoint(mesh.a, {
      pod: mesh.pod('fixed'),
      name: 'fixed',
      services: ['fixed'],
      flags: ['--address', '10.77.0.1/31'],
    });
    for (const [service, node] of [
      ['both-near', mesh.a],
      ['both-far', mesh.b],
    ] as const)
      await mesh.endpoint(node, {
        ...{ pod: mesh.pod(service), name: service, services: [service] },
        flags: ['--prefix', '10.78.0.0/24', '--prefix', 'fd78::/64'],
      });
    await mesh.a.knows('far/far', 'by-gre/far', 'vault/far', 'hanging/hanging', 'fixed/fixed');
    await mesh.a.knows('both-near/both-near', 'both-far/both-far');
  });
  afterEach(async () => {
    await mesh.switch.heal();
    for (const node of mesh.nodes) if (node.hasManager) await node.closeAll();
  });
  afterAll(async () => {
    await mesh?.stop();
  });

  const at = (): string[] => ['--run-dir', mesh.a.runDir];
  /** What a request would come to. */
  const explain = async (service: string, ...flags: string[]): Promise<string> => {
    const { stdout, stderr } = await nsm('explain', service, '--from', client.name, ...at(), ...flags);
    return stdout + stderr;
  };
  /** What a request came to. */
  const connect = async (service: string, ...flags: string[]): Promise<string> => {
    const { status, stdout, stderr } = await nsm(
      'connect',
      service,
      '--netns',
      client.name,
      ...at(),
      ...flags,
    );
    expect(status, stdout).not.toBe(0);
    return stderr;
  };

  it('no endpoint has the label', async () => {
    expect(await explain('far', '--label', 'tier=silver')).toMatch(
      /× labels +label tier=silver \(has gold\)/,
    );
  });

  it('client and endpoint share no interface', async () => {
    expect(await explain('far', '--interface', 'hw')).toMatch(
      /× interfaces .*client asks for hw, the endpoint offers kernel/,
    );
  });

  it('a firewall drops GRE', async () => {
    await mesh.switch.drop('ip protocol gre');
    expect(await connect('by-gre')).toMatch(/does the network between the two nodes let GRE through/);
  });

  it('a firewall of its own drops neighbour discovery', async () => {
    const nft = (rules: string): Promise<string> => run(client.name, 'nft', rules.split(' '));
    await nft('add table ip6 own');
    await nft('add chain ip6 own in { type filter hook input priority 0 ; policy drop ; }');
    try {
      const dropped = /ICMPv6 types 135 and 136/;
      expect(await connect('both-far')).toMatch(dropped);
      expect(await connect('both-near')).toMatch(dropped);
      expect(await connect('both-far')).not.toMatch(/the tunnel carries no packets/);
    } finally {
      await nft('delete table ip6 own');
    }
  });

  it('the MTU between the nodes is too small', async () => {
    await mesh.switch.setMtu('node-b', '1300');
    try {
      const args = [nsmProgram, 'check', '--only', 'network', ...at()];
      const checked = run(mesh.a.namespace.name, process.execPath, args);
      await expect(checked).rejects.toMatchObject({
        stdout: expect.stringMatching(
          /× underlay MTU: packets of 1300 bytes reach node-b .* larger ones do not/,
        ),
      });
    } finally {
      await mesh.switch.setMtu('node-b', '1500');
    }
  });

  it('its endpoint hangs', async () => {
    hanging.child.kill('SIGSTOP');
    try {
      expect(await connect('hanging', '--timeout', '1s')).toMatch(
        /given up by its caller: .* while: ask the endpoint/,
      );
      const { stdout } = await nsm('explain', '--from', client.name, ...at());
      expect(stdout).toMatch(/hanging: request .* was given up by its caller .* while: ask the endpoint/);
      expect(await explain('hanging')).toMatch(
        /! its last request .* was given up by its caller: .* while: ask the endpoint/,
      );
    } finally {
      hanging.child.kill('SIGCONT');
    }
  });

  it('the policy denies it', async () => {
    expect(await explain('vault')).toMatch(/× policy .*no-vault-for-pods/);
  });

  it('its addresses collide with those of the pod', async () => {
    await run(client.name, 'ip', ['link', 'add', 'lan0', 'type', 'bridge']);
    await run(client.name, 'ip', ['address', 'add', '10.77.0.9/24', 'dev', 'lan0']);
    await run(client.name, 'ip', ['link', 'set', 'lan0', 'up']);
    expect(await connect('fixed')).toMatch(/10\.77\.0\.\d.*lan0/s);
    await run(client.name, 'ip', ['link', 'delete', 'lan0']);
  });

  it('the registry is away', async () => {
    await mesh.registry?.stop();
    await mesh.endpoint(mesh.b, { pod: mesh.pod('late'), name: 'late', services: ['late'] });
    expect(await explain('late')).toMatch(/registry/);
    await mesh.registry?.start();
    await mesh.a.knows('late/late');
  });

  it('the other manager is down', async () => {
    await mesh.b.end('SIGKILL');
    expect(await explain('far')).toMatch(/node-b.*(does not answer|is gone|not alive)/s);
    await mesh.b.start();
    await mesh.a.knows('far/far');
  });

  it('the certificate of the other manager has expired', async () => {
    const logged = mesh.b.log.length;
    const until = Date.now() + 2000;
    issueFiles(Authority.open(pkiDir), certificateOwner, until - Date.now(), certificates);
    await waitFor(() => mesh.b.log.slice(logged).includes('certificate'), { what: 'the new certificate' });
    await waitFor(() => Date.now() > until + 1000, { what: 'its end' });
    // Connections that are open stay open.
    await mesh.a.restart('SIGKILL');
    expect(await explain('far')).toMatch(/expired/);
  });
});
