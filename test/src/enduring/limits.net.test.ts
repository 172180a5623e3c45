// More limits that are reached for real: each is named with its value and what raises it, nothing is left, others are served.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BpfMap, NetlinkError } from '@nsm/netlink';
import { namePrefix, requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { Mesh } from '../mesh/mesh.js';
import { type Connected, nsm, nsmJson, nsmProgram } from '../mesh/nsm-command.js';
import { bpfMapsOf } from '../reliability/bpf-maps.js';

describe('a command with too few descriptors', () => {
  it.each([
    ['manager'],
    ['forwarder'],
    ['registry'],
    ['endpoint', 'icmp-responder', '--service', 'x', '--name', 'x'],
    ['connect', 'x'],
    ['disconnect', 'x'],
    ['get', 'services'],
    ['explain', 'x'],
    ['lab', 'up', 'x.yaml'],
    ['--help'],
  ])('says so at once: nsm %s', async (...args) => {
    const said = await new Promise<string>((resolve) => {
      const limited = ['--nofile=64:64', process.execPath, nsmProgram, ...args];
      execFile('prlimit', limited, { timeout: 10_000 }, (error, _, stderr) =>
        resolve(`${error?.code}: ${stderr}`),
      );
    });
    expect(said).toMatch(
      /^1: nsm: this process may have 64 files open \(RLIMIT_NOFILE\), and needs 128 or more: .*`ulimit -n`.*\(NSM0605\)\n$/,
    );
  });
});

describe.skipIf(!requireRoot('limits'))('a map of eBPF that is full', () => {
  it('is named, and tunnels are made again when there is room', { timeout: 90_000 }, async () => {
    await using mesh = await Mesh.start({ flags: ['--tunnel', 'GRE'] });
    const [client, far] = ['client', 'far'].map((label) => mesh.pod(label));
    await mesh.endpoint(mesh.b, { pod: far!, name: 'far', services: ['echo'] });
    await mesh.a.knows('echo/far');
    const asking = (id: string) => [
      ...['connect', 'echo', '--request-id', id, '--netns', client!.name, '--run-dir', mesh.a.runDir],
    ];
    const first = await nsmJson<Connected>(...asking('first'));
    const { id } = (await bpfMapsOf(mesh.a.namespace.name)).find(({ name }) =>
      name.startsWith('nsm_traffic'),
    )!;
    using map = BpfMap.openId(id);
    // As of tunnels that another forwarder on these maps guards: nobody but that one removes them.
    const foreign = (n: number): Buffer => {
      const key = Buffer.alloc(4);
      key.writeUInt32LE(0x8000_0000 + 4711 * 2 ** 18 + n);
      return key;
    };
    let filled = 0;
    const isFull = (): boolean => {
      try {
        for (; ; filled++) map.update(foreign(filled), Buffer.alloc(map.valueSize));
      } catch (error) {
        // The kernel's reserve of memory for it needs a moment to be refilled.
        if (error instanceof NetlinkError && error.code === 'ENOMEM') return false;
        expect(error).toMatchObject({ code: 'E2BIG' });
        return true;
      }
    };
    await waitFor(isFull, { timeout: 30_000, what: 'a full map' });
    expect(filled).toBeGreaterThan(65_000);
    const { status, stderr } = await nsm(...asking('second'));
    expect(status).not.toBe(0);
    expect(stderr).toMatch(
      /E2BIG: write to eBPF map nsm_traffic_\d+ of 65536 entries: .*that map is full.*close connections; its size is MAX_TUNNELS.*\(NSM0605\)\s*$/,
    );
    await expectTraffic(client!, far!, first);
    for (let n = 0; n < filled; n++) map.delete(foreign(n));
    expect((await mesh.a.connections()).map(({ requestId }) => requestId)).toEqual(['first']);
    const second = await nsmJson<Connected>(...asking('second'));
    await expectTraffic(client!, far!, second);
    await mesh.a.closeAll();
    expect(await mesh.finish()).toEqual([]);
  });
});

/** A control group with so many bytes, and the file that says so in its version of control groups; undefined where none can be made. */
const memoryGroup = (bytes: number): { folder: string; file: string } | undefined => {
  for (const [parent, file] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ] as const) {
    const folder = join(parent, `${namePrefix}memory`);
    try {
      mkdirSync(folder);
      if (existsSync(join(folder, file))) {
        writeFileSync(join(folder, file), String(bytes));
        return { folder, file };
      }
      rmdirSync(folder);
    } catch {
      // Read-only, or not there.
    }
  }
  process.stderr.write('SKIPPED memory of eBPF: no control group for memory can be made here\n');
  return undefined;
};

describe.skipIf(!requireRoot('limits'))('memory for eBPF', () => {
  const bytes = 300 << 20;
  const group = memoryGroup(bytes);
  /** BPF_MAP_CREATE of an array of 400 MB: what is refused is refused as a whole, and the process itself is not short of memory. */
  const program = `
    import { NsmError } from '@nsm/api';
    import { NetlinkError } from '@nsm/netlink';
    import { bpf } from '${new URL('../../../packages/netlink/dist/libc/libc-syscalls.js', import.meta.url).href}';
    const attributes = Buffer.alloc(72);
    for (const [n, value] of [2, 4, 4096, 100_000].entries()) attributes.writeUInt32LE(value, 4 * n);
    const error = new NetlinkError(-bpf(0, attributes), 'load eBPF object', 'of 400 MB');
    console.log(NsmError.from(error).toAdmissionError());`;

  it.skipIf(!group)('is that of the control group, which is named', async () => {
    const node = [process.execPath, '--input-type=module', '-e', program];
    const inside = `echo $$ > ${group!.folder}/cgroup.procs && exec "$@"`;
    const attempt = (): Promise<string> =>
      new Promise((resolve) => {
        const options = { cwd: import.meta.dirname, timeout: 30_000 };
        execFile('sh', ['-c', inside, 'sh', ...node], options, (_, stdout, stderr) =>
          resolve(stdout + stderr),
        );
      });
    let said = '';
    // A thread of Node.js's own that asks for a page in that very moment has the kernel end it all.
    for (let n = 0; n < 5 && said === ''; n++) said = await attempt();
    await waitFor(() => {
      try {
        rmdirSync(group!.folder);
        return true;
      } catch {
        return false;
      }
    });
    const escaped = group!.file.replace('.', '\\.');
    expect(said).toMatch(
      new RegExp(
        `^ENOMEM: load eBPF object of 400 MB: .*: no more memory: \\d+ kB are available, ${escaped} of the control group is ${bytes} \\(MemoryMax= .*\\(NSM0605\\)\n$`,
      ),
    );
  });
});

describe.skipIf(!requireRoot('limits'))('local ports that are used up', () => {
  it('are named where the registry cannot be reached, and it is when there are some', {
    timeout: 60_000,
  }, async () => {
    await using mesh = await Mesh.start();
    const { name } = mesh.b.namespace;
    await run(name, 'sysctl', ['-w', 'net.ipv4.ip_local_port_range=50000 50003']);
    const agent = await mesh.agent(mesh.b);
    const [host = '', port = ''] = mesh.a.tcp.split(':');
    for (let n = 0; n < 4; n++)
      await agent.speak({ host, port: Number(port) }, '', { patienceMs: 5_000, keep: true });
    const folder = `${mesh.dir}/third`;
    const flags = [
      '--run-dir',
      folder,
      '--state-dir',
      `${folder}/state`,
      '--registry',
      `nsm://${mesh.a.tcp}`,
    ];
    const listen = ['--name', 'third', '--listen', `${mesh.b.address}:5009`];
    const command = [nsmProgram, 'manager', ...listen, '--advertise', `${mesh.b.address}:5009`, ...flags];
    await using third = await spawnIn(name, process.execPath, command);
    await waitFor(() => third.output().includes('NSM0605'), { timeout: 20_000, what: 'the limit' });
    expect(third.output()).toMatch(
      /no more local ports to connect from: net\.ipv4\.ip_local_port_range is 50000 50003; raise it by `sysctl -w/,
    );
    await agent.stop();
    await run(name, 'sysctl', ['-w', 'net.ipv4.ip_local_port_range=32768 60999']);
    await waitFor(() => third.output().includes('"ready"'), { timeout: 30_000, what: 'the third manager' });
    await third.stop();
  });
});
