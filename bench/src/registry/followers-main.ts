// A process full of followers. Argument: FollowersOptions. To `{ await: NAME }` it answers when each of them has heard of that endpoint.
import { follow } from './follower.js';
import { ownCredentials } from './own-credentials.js';

export interface FollowersOptions {
  readonly url: string;
  readonly pkiDir: string;
  readonly first: number;
  readonly count: number;
  /** Of all such processes. */
  readonly managers: number;
}

export interface Arrivals {
  /** Milliseconds since 1970, with fractions, of each follower. */
  readonly at: readonly number[];
}

/** Milliseconds after which a follower counts as having heard only then. */
const patienceMs = 5000;
/** Connections that are begun at the same time. */
const lanes = 20;

async function run({ url, pkiDir, first, count, managers }: FollowersOptions): Promise<void> {
  const arrivals = new Map<string, number[]>();
  const waiting = new Map<string, () => void>();
  const heard = (endpoint: string): void => {
    if (!endpoint.startsWith('probe-')) return;
    const at = arrivals.get(endpoint) ?? [];
    arrivals.set(endpoint, at);
    at.push(performance.timeOrigin + performance.now());
    if (at.length === count) waiting.get(endpoint)?.();
  };
  process.on('message', async ({ await: endpoint }: { readonly await: string }) => {
    if (arrivals.get(endpoint)?.length !== count)
      await new Promise<void>((resolve) => {
        waiting.set(endpoint, resolve);
        setTimeout(resolve, patienceMs);
      });
    const at = arrivals.get(endpoint) ?? [];
    // Of a follower whose watch has begun anew meanwhile it is not known when it heard.
    const late = Array<number>(count - at.length).fill(performance.timeOrigin + performance.now());
    process.send?.({ at: [...at, ...late] } satisfies Arrivals);
  });
  const numbers = Array.from({ length: count }, (_, index) => first + index).values();
  const lane = async (): Promise<void> => {
    for (const number of numbers) {
      const name = `follower-${number}`;
      const localAddress = `127.1.${number >> 8}.${number & 255}`;
      await follow({ url, name, managers, localAddress, credentials: ownCredentials(pkiDir, name) }, heard);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  process.send?.({});
}

process.on('disconnect', () => process.exit(1));
await run(JSON.parse(process.argv[2] ?? '{}') as FollowersOptions);
