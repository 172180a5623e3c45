// An etcd of three members, of which one is killed, stands still, or does not hear the others. Nothing that was promised is lost, and nothing given twice.
import { fileURLToPath } from 'node:url';
import {
  EtcdProcess,
  makeNamespace,
  type Running,
  requireEtcd,
  requireRoot,
  spawnIn,
  type TestNamespace,
  thorough,
  tried,
  waitFor,
} from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Switch } from '../mesh/underlay.js';
import type { Told } from './registry-contender-main.js';

const program = fileURLToPath(new URL('registry-contender-main.js', import.meta.url));
const names = ['etcd-1', 'etcd-2', 'etcd-3'];
const addressOf = (index: number): string => `10.9.0.${index + 1}`;
/** Endpoints and claims that each contender is to get through in each part of a test. */
const steps = thorough ? 2000 : 40;

class Contender {
  readonly name: string;
  readonly process: Running;
  #asked = 0;

  constructor(name: string, process: Running) {
    this.name = name;
    this.process = process;
  }

  get told(): Told[] {
    const lines = this.process.output().split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Told);
  }

  /** Endpoints that the registry has taken. */
  get registered(): string[] {
    return this.told.flatMap((told) => (told.event === 'registered' ? [told.endpoint] : []));
  }

  /** Claims that the registry has given to it. */
  get won(): string[] {
    return this.told.flatMap((told) =>
      told.event === 'claimed' && told.winner === this.name ? [told.claim] : [],
    );
  }

  /** Waits until the registry has taken so many more. */
  async getsOn(count: number): Promise<void> {
    const goal = this.registered.length + count;
    await waitFor(() => this.registered.length >= goal, {
      what: `${this.name} registering ${count} more: ${this.process.output().slice(-1000)}`,
      timeout: 60_000,
    });
  }

  async copy(): Promise<Extract<Told, { event: 'copy' }>> {
    const copies = () => this.told.flatMap((told) => (told.event === 'copy' ? [told] : []));
    this.#asked = copies().length;
    this.process.child.kill('SIGUSR2');
    return await waitFor(() => copies()[this.#asked], { what: `${this.name} telling its copy` });
  }

  stopContending(): void {
    this.process.child.kill('SIGUSR1');
  }
}

describe.skipIf(!requireRoot('etcd cluster') || !requireEtcd('etcd cluster'))(
  'an etcd of three members',
  () => {
    const namespaces: TestNamespace[] = [];
    let wires: Switch;
    let members: EtcdProcess[];
    let meshes = 0;
    beforeAll(async () => {
      const namespaceOf = (label: string): TestNamespace => {
        const namespace = makeNamespace(label);
        namespaces.push(namespace);
        return namespace;
      };
      // The contenders are where the switch is.
      wires = await Switch.make({ name: 'switch', namespace: namespaceOf('switch'), address: '10.9.0.99' });
      const places = new Map(
        names.map((name, index) => {
          const place = {
            namespace: namespaceOf(name).name,
            address: addressOf(index),
            clientPort: 2379,
            peerPort: 2380,
          };
          return [name, place] as const;
        }),
      );
      for (const [index, name] of names.entries()) {
        const namespace = namespaces[index + 1]!;
        await wires.plug({ name, namespace, address: addressOf(index) }, 1500);
      }
      members = await EtcdProcess.cluster(places);
    });
    afterAll(async () => {
      for (const member of members ?? []) await member.stop();
      for (const namespace of namespaces) namespace.remove();
    });

    const urlOf = (indexes: readonly number[], mesh: number): string =>
      `etcd://${indexes.map((index) => `${addressOf(index % 3)}:2379`).join(',')}/mesh-${mesh}`;

    const begin = async (name: string, url: string): Promise<Contender> => {
      const running = await spawnIn(namespaces[0]!.name, process.execPath, [program, url, name]);
      await waitFor(() => running.output().includes('"ready"'), {
        what: `${name} beginning`,
        timeout: 15_000,
      });
      return new Contender(name, running);
    };

    /** Index of the member that leads the others. */
    const leader = async (): Promise<number> => {
      const leads = await Promise.all(members.map((member) => member.leads()));
      return leads.indexOf(true);
    };

    /** Nothing is lost: what was promised is in etcd and in every copy. Nothing is given twice. */
    const allIsThere = async (contenders: readonly Contender[], mesh: number): Promise<void> => {
      for (const contender of contenders) contender.stopContending();
      const promised = contenders.flatMap(({ registered }) => registered);
      for (const contender of contenders) {
        await waitFor(
          async () => {
            const { synced, endpoints, managers } = await contender.copy();
            const known = new Set(endpoints);
            return (
              synced && managers.length === contenders.length && promised.every((name) => known.has(name))
            );
          },
          { what: `${contender.name} knowing all that was promised`, timeout: 20_000, interval: 200 },
        );
      }
      const won = contenders.flatMap((contender) =>
        contender.won.map((claim) => [claim, contender.name] as const),
      );
      expect(new Set(won.map(([claim]) => claim)).size).toBe(won.length);
      const found = await members[0]!.ctl('get', '--prefix', `/mesh-${mesh}/claim/`, '--write-out', 'json');
      const { kvs } = JSON.parse(found) as { kvs: { key: string; value: string }[] };
      const held = new Map(kvs.map(({ key, value }) => [atob(key).split('/').at(-1), atob(value)]));
      for (const [claim, winner] of won) expect(held.get(claim)).toContain(winner);
      expect(won.length).toBeGreaterThan(steps);
    };

    /** What happens to the member that leads, and how that ends. */
    const harms = [
      {
        name: 'is killed, and comes back',
        quick: false,
        begin: (index: number) => members[index]!.kill(),
        end: (index: number) => members[index]!.start(),
      },
      {
        name: 'stands still',
        quick: false,
        begin: async (index: number) => members[index]!.signal('SIGSTOP'),
        end: async (index: number) => members[index]!.signal('SIGCONT'),
      },
      {
        name: 'does not hear the others',
        quick: true,
        begin: async (index: number) => {
          for (const name of names) if (name !== names[index]) await wires.part(names[index]!, name);
        },
        end: () => wires.heal(),
      },
    ];

    it.each(tried(harms, ({ quick }) => quick))(
      'goes on while the one that leads $name, and who knows only that one notices',
      async ({ begin: harm, end: mend }) => {
        const mesh = meshes++;
        const alone = await leader();
        const [follower, ...contenders] = await Promise.all([
          begin('follower', urlOf([alone], mesh)),
          ...names.map((_, index) => begin(`contender-${index}`, urlOf([index, index + 1], mesh))),
        ]);
        const all = [follower, ...contenders];
        await Promise.all(all.map((contender) => contender.getsOn(steps)));
        await harm(alone);
        const unheard = async (): Promise<boolean> => !(await follower.copy()).synced;
        await waitFor(unheard, { what: 'the follower noticing', timeout: 15_000 });
        expect((await follower.copy()).endpoints.length).toBeGreaterThan(steps);
        await Promise.all(contenders.map((contender) => contender.getsOn(steps)));
        await mend(alone);
        await Promise.all(all.map((contender) => contender.getsOn(steps)));
        await allIsThere(all, mesh);
        await Promise.all(all.map(({ process }) => process.stop()));
      },
      thorough ? 300_000 : 120_000,
    );
  },
);
