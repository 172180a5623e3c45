// On a terminal a request that takes long shows for how long, and what would come of it.
import type { Output } from '@nsm/output';
import type { ConnectFlags } from './flags.js';

/** Milliseconds after which a request takes long, and between two looks at what it waits for. */
const longMs = 2000;

/** Until it is disposed of. Nothing is asked where nobody would see it. */
export function showWaiting(
  output: Pick<Output, 'live' | 'json' | 'draft' | 'clear'>,
  service: string,
  flags: ConnectFlags,
  whatFor: () => Promise<string> = () => ask(service, flags),
): Disposable {
  if (!output.live || output.json) return { [Symbol.dispose]: () => undefined };
  const start = performance.now();
  let over = false;
  const timer = setInterval(async () => {
    const what = await whatFor();
    if (over) return;
    output.draft(`waits for ${service} for ${Math.round((performance.now() - start) / 1000)} s: ${what}`);
  }, longMs);
  return {
    [Symbol.dispose]: () => {
      over = true;
      clearInterval(timer);
      output.clear();
    },
  };
}

async function ask(service: string, flags: ConnectFlags): Promise<string> {
  const { waitsFor } = await import('./explain-refusal.js');
  return await waitsFor(service, flags);
}
