// A program that does what many managers do at once: takes names that others want, and registers endpoints. It prints a line of JSON
// for all that the registry has promised, and what its copy holds whenever it gets SIGUSR2.
// Arguments: the registry's URL, its own name.
import { create } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema } from '@nsm/api';
import { openRegistry } from '@nsm/registry';

/** What it prints. */
export type Told =
  | { readonly event: 'ready' }
  | { readonly event: 'claimed'; readonly claim: string; readonly winner: string }
  | { readonly event: 'registered'; readonly endpoint: string }
  | { readonly event: 'failed'; readonly what: string; readonly why: string }
  | {
      readonly event: 'copy';
      readonly synced: boolean;
      readonly managers: readonly string[];
      readonly endpoints: readonly string[];
    };

const tell = (told: Told): unknown => process.stdout.write(`${JSON.stringify(told)}\n`);

async function contend(url: string, name: string): Promise<void> {
  const registry = await openRegistry(url, { stateDir: '/nowhere' });
  await registry.start();
  let going = true;
  process.on('SIGUSR1', () => {
    going = false;
  });
  process.on('SIGUSR2', () =>
    tell({
      event: 'copy',
      synced: registry.synced,
      managers: [...registry.managers().values()].filter(({ alive }) => alive).map((each) => each.name),
      endpoints: [...registry.endpoints()].map((each) => each.nseProviderName),
    }),
  );
  await registry.registerManager({ name, address: '10.0.0.1:5001' }, 5000);
  tell({ event: 'ready' });
  for (let n = 0; going; n++) {
    const endpoint = `${name}-${n}`;
    const record = create(NetworkServiceEndpointSchema, {
      networkServiceName: 'raced',
      networkServiceHost: name,
      nseProviderName: endpoint,
    });
    const failed = (what: string) => (why: unknown) => tell({ event: 'failed', what, why: String(why) });
    const claim = `id-${n}`;
    await Promise.all([
      registry.claim(claim, name).then((winner) => tell({ event: 'claimed', claim, winner }), failed(claim)),
      registry.registerEndpoint(record).then(() => tell({ event: 'registered', endpoint }), failed(endpoint)),
    ]);
  }
}

const [url = '', name = ''] = process.argv.slice(2);
await contend(url, name);
