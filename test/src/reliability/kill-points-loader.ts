// A module loader (node:module, customization hooks) that gives marked sources in place of those on the disk.
import { readFileSync } from 'node:fs';
import type { InitializeHook, LoadHook } from 'node:module';

let marked: Readonly<Record<string, string>> = {};

export const initialize: InitializeHook<{ readonly sources: string }> = ({ sources }) => {
  marked = JSON.parse(readFileSync(sources, 'utf8'));
};

export const load: LoadHook = async (url, context, nextLoad) => {
  const source = marked[url];
  return source === undefined ? nextLoad(url, context) : { format: 'module', source, shortCircuit: true };
};
