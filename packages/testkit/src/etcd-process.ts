// A real etcd: one member, or several of a cluster, each a process that can be ended, and that may forget.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NamespaceName, type Running, run, spawnIn } from './commands.js';
import { waitFor } from './wait-for.js';

/** For `describe.skipIf(!requireEtcd('registry'))`: prints why `suite` is skipped. */
export const requireEtcd = (suite: string): boolean => {
  const there = existsSync('/usr/bin/etcd');
  if (!there)
    process.stderr.write(`SKIPPED ${suite}: there is no etcd; apt-get install etcd-server etcd-client\n`);
  return there;
};

export interface EtcdPlace {
  /** Default: this process's own. */
  readonly namespace?: NamespaceName;
  /** Where it listens. */
  readonly address: string;
  readonly clientPort: number;
  readonly peerPort: number;
}

export interface EtcdSettings {
  /** More flags of etcd. */
  readonly flags?: readonly string[];
  /** Default: http. */
  readonly scheme?: 'http' | 'https';
}

/** Nothing of it survives a power cut, and no disk is waited for. */
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

export class EtcdProcess implements AsyncDisposable {
  readonly name: string;
  /** HOST:PORT for clients. */
  readonly member: string;
  readonly #place: EtcdPlace;
  readonly #args: readonly string[];
  readonly #dir: string = mkdtempSync(join(memory, 'nsmt-etcd-'));
  #process: Running | undefined;

  constructor(
    name: string,
    places: ReadonlyMap<string, EtcdPlace>,
    { flags = [], scheme = 'http' }: EtcdSettings = {},
  ) {
    const place = places.get(name);
    if (!place) throw new Error(`${name} has no place`);
    this.name = name;
    this.#place = place;
    this.member = `${place.address}:${place.clientPort}`;
    const client = `${scheme}://${this.member}`;
    const peerOf = ({ address, peerPort }: EtcdPlace): string => `http://${address}:${peerPort}`;
    const cluster = [...places].map(([each, at]) => `${each}=${peerOf(at)}`).join(',');
    this.#args = [
      ...['--name', name, '--data-dir', join(this.#dir, 'data'), '--initial-cluster', cluster],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peerOf(place), '--initial-advertise-peer-urls', peerOf(place)],
      // Failures are noticed twice as soon as by default.
      ...[
        '--heartbeat-interval',
        '50',
        '--election-timeout',
        '500',
        '--logger',
        'zap',
        '--log-outputs',
        'stderr',
      ],
      ...flags,
    ];
  }

  /** One member at free ports of this process's network, started. */
  static async alone(settings: EtcdSettings = {}): Promise<EtcdProcess> {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const etcd = new EtcdProcess(
      'alone',
      new Map([['alone', { address: '127.0.0.1', clientPort, peerPort }]]),
      settings,
    );
    await etcd.start();
    return etcd;
  }

  /** Members that know each other, started. */
  static async cluster(
    places: ReadonlyMap<string, EtcdPlace>,
    settings: EtcdSettings = {},
  ): Promise<EtcdProcess[]> {
    const members = [...places.keys()].map((name) => new EtcdProcess(name, places, settings));
    await Promise.all(members.map((member) => member.start()));
    return members;
  }

  /** Of its process; 0 while there is none. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Resolves when it serves clients: a member of several has a leader then. */
  async start(): Promise<void> {
    const started = await spawnIn(this.#place.namespace, 'etcd', this.#args);
    this.#process = started;
    const what = `etcd ${this.name}`;
    const ended = started.exited.then((status) => {
      throw new Error(`${what} ended with ${status}: ${started.output().slice(-2000)}`);
    });
    ended.catch(() => undefined);
    const serves = waitFor(() => started.output().includes('serving client traffic'), {
      what,
      timeout: 20_000,
    });
    await Promise.race([serves, ended]);
  }

  /** Ends it at once, by SIGKILL. */
  async kill(): Promise<void> {
    this.#process?.child.kill('SIGKILL');
    await this.#process?.exited;
    this.#process = undefined;
  }

  /** Stands still, and goes on: nothing is refused, and nothing answered. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.child.kill(signal);
  }

  /** Removes its data; to be called while it is away. */
  loseStore(): void {
    rmSync(join(this.#dir, 'data'), { recursive: true });
  }

  /** Runs etcdctl against it. */
  async ctl(...args: readonly string[]): Promise<string> {
    return await run(this.#place.namespace, 'env', [
      'ETCDCTL_API=3',
      'etcdctl',
      '--endpoints',
      this.member,
      ...args,
    ]);
  }

  /** True of the member that leads the others. */
  async leads(): Promise<boolean> {
    const status = await this.ctl('endpoint', 'status', '--write-out', 'json');
    const [own] = JSON.parse(status) as { Status: { header: { member_id: number }; leader: number } }[];
    return own !== undefined && own.Status.header.member_id === own.Status.leader;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject).listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
