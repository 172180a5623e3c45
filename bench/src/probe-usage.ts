// Asking a program with a preloaded probe what it uses.
import type { Usage } from './probe.js';
import type { Program } from './program.js';

export type { Usage } from './probe.js';

/** Asks until two answers half a second apart agree to a percent. */
export async function settled(program: Program): Promise<Usage> {
  let last = await program.ask<Usage>({ collect: true });
  for (let look = 0; look < 10; look++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = await program.ask<Usage>({ collect: true });
    if (Math.abs(now.rss - last.rss) < last.rss / 100) return now;
    last = now;
  }
  return last;
}
