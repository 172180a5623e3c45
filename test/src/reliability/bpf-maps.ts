// The eBPF maps behind the programs of a namespace, read and emptied by `bpftool`, not by our own library.
import { hasTcx, openNamespace, tcxPrograms } from '@nsm/netlink';
import { ipJson, run } from '@nsm/testkit';

/** Entries as bpftool prints them: keys as bytes in hexadecimal. */
export interface BpfMapDump {
  readonly id: number;
  readonly name: string;
  readonly keys: readonly (readonly string[])[];
}

/** Ids of the programs on the way into the devices of a namespace. */
async function programsOf(namespace: string): Promise<number[]> {
  const links = await ipJson(namespace, ['link']);
  // Debian's bpftool and tc are older than tcx.
  using opened = openNamespace(`/run/netns/${namespace}`);
  const byTcx = opened.run(() =>
    hasTcx() ? links.flatMap(({ ifindex }) => tcxPrograms(Number(ifindex), 'ingress')) : [],
  );
  const found = await Promise.all(
    links.map(async ({ ifname }) => {
      const filters = await ipJson(namespace, ['filter', 'show', 'dev', String(ifname), 'ingress'], 'tc');
      return filters.flatMap(({ options }) => {
        const { prog } = (options ?? {}) as { prog?: { id: number } };
        return prog ? [prog.id] : [];
      });
    }),
  );
  return [...byTcx, ...found.flat()];
}

interface Program {
  readonly name?: string;
  readonly map_ids?: readonly number[];
}

const bpftool = async (...args: string[]): Promise<unknown> =>
  JSON.parse(await run(undefined, 'bpftool', ['--json', ...args]));

/** Every map of the programs of a namespace, with its keys. */
export async function bpfMapsOf(namespace: string): Promise<BpfMapDump[]> {
  const ids = new Set<number>();
  for (const id of new Set(await programsOf(namespace))) {
    const { name, map_ids } = (await bpftool('prog', 'show', 'id', String(id))) as Program;
    if (name?.startsWith('nsm_')) for (const map of map_ids ?? []) ids.add(map);
  }
  return await Promise.all(
    [...ids].map(async (id) => {
      const { name } = (await bpftool('map', 'show', 'id', String(id))) as { name: string };
      const entries = (await bpftool('map', 'dump', 'id', String(id))) as { key: string[] }[];
      return { id, name, keys: entries.map(({ key }) => key) };
    }),
  );
}

/** Removes every entry of the maps whose name begins so: a version may follow. @throws Error when there is none to remove */
export async function clearBpfMap(namespace: string, name: string): Promise<void> {
  const entries = (await bpfMapsOf(namespace))
    .filter((map) => map.name.startsWith(name))
    .flatMap(({ id, keys }) => keys.map((key) => ({ id, key })));
  if (entries.length === 0) throw new Error(`no entries in map ${name} of ${namespace}`);
  for (const { id, key } of entries)
    await run(undefined, 'bpftool', ['map', 'delete', 'id', String(id), 'key', 'hex', ...key.map(hex)]);
}

const hex = (byte: string): string => byte.replace('0x', '');
