// A manager's registry by itself, which advertises. Argument: AdvertiserOptions. `{ names }` registers endpoints, and is answered with when.
import { create } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema } from '@nsm/api';
import { openRegistry } from '@nsm/registry';
import { ownCredentials } from './own-credentials.js';

export interface AdvertiserOptions {
  readonly url: string;
  readonly pkiDir: string;
  /** Of the endpoints. */
  readonly namespace: string;
}

export interface Advertised {
  /** Milliseconds since 1970, with fractions: before the first, and when the registry had them all. */
  readonly began: number;
  readonly ended: number;
}

const name = 'advertiser';
/** Endpoints that are registered at the same time. */
const atOnce = 250;
const now = (): number => performance.timeOrigin + performance.now();

async function run({ url, pkiDir, namespace }: AdvertiserOptions): Promise<void> {
  const registry = await openRegistry(url, { stateDir: '', credentials: ownCredentials(pkiDir, name) });
  await registry.start();
  await registry.registerManager({ name, address: '192.0.2.1:5001' }, 10_000);
  process.on('message', async ({ names }: { readonly names: readonly string[] }) => {
    const began = now();
    for (let from = 0; from < names.length; from += atOnce) {
      const some = names.slice(from, from + atOnce);
      // What takes too long is written all the same.
      const late = (error: Error): unknown => process.stderr.write(`${error.message}\n`);
      await Promise.all(
        some.map((each, n) => registry.registerEndpoint(endpointOf(each, from + n, namespace)).catch(late)),
      );
    }
    process.send?.({ began, ended: now() } satisfies Advertised);
  });
  process.send?.({});
}

/** Ten endpoints of each service. */
function endpointOf(nseProviderName: string, index: number, nseProviderNamespace: string) {
  return create(NetworkServiceEndpointSchema, {
    networkServiceName: `service-${Math.floor(index / 10)}`,
    networkServiceHost: name,
    nseProviderName,
    nseProviderNamespace,
    labels: { selector: { app: 'firewall', zone: 'a' } },
    prefixes: ['10.60.0.0/16'],
  });
}

process.on('disconnect', () => process.exit(1));
await run(JSON.parse(process.argv[2] ?? '{}') as AdvertiserOptions);
