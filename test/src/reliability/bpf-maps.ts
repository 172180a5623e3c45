// The eBPF maps behind the tc programs of a namespace, read and emptied by `tc` and `bpftool`, not by our own library.
import { ipJson, run } from '@nsm/testkit';

/** Entries as bpftool prints them: keys as bytes in hexadecimal. */
export interface BpfMapDump {
  readonly id: number;
  readonly name: string;
  readonly keys: readonly (readonly string[])[];
}

/** Programs of ours on the way into the devices of a namespace: device and program id. */
async function programsOf(namespace: string): Promise<{ readonly device: string; readonly id: number }[]> {
  const links = await ipJson(namespace, ['link']);
  const found = await Promise.all(
    links.map(async ({ ifname }) => {
      const device = String(ifname);
      const filters = await ipJson(namespace, ['filter', 'show', 'dev', device, 'ingress'], 'tc');
      return filters.flatMap(({ options }) => {
        const { prog } = (options ?? {}) as { prog?: { id: number; name: string } };
        return prog?.name.startsWith('nsm_') ? [{ device, id: prog.id }] : [];
      });
    }),
  );
  return found.flat();
}

const bpftool = async (...args: string[]): Promise<unknown> =>
  JSON.parse(await run(undefined, 'bpftool', ['--json', ...args]));

/** Every map of the programs of a namespace, with its keys. */
export async function bpfMapsOf(namespace: string): Promise<BpfMapDump[]> {
  const ids = new Set<number>();
  for (const { id } of await programsOf(namespace)) {
    const { map_ids = [] } = (await bpftool('prog', 'show', 'id', String(id))) as { map_ids?: number[] };
    for (const map of map_ids) ids.add(map);
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
