// A forwarder that goes and comes back.
import { NsmError } from '@nsm/api';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { SignalComponents } from './components.js';
import { watchForwarder } from './losses.js';

it('a forwarder that comes back is asked what it can do, before connections are compared by it', async () => {
  const stopping = new AbortController();
  const happened: string[] = [];
  let answers = 0;
  const components = {
    forwarder: {
      // Its process ends after a while, twice.
      async *watch() {
        happened.push('watched');
        if (happened.filter((one) => one === 'watched').length === 2) stopping.abort();
      },
      list: async () => {
        happened.push('compared');
        return { interfaces: [] };
      },
    },
    abilities: {
      learn: async () => {
        if (++answers < 3) throw new NsmError('unavailable', 'not back yet');
        happened.push('learnt');
        return '';
      },
    },
    self: { idPrefix: 'node-a:1-' },
    connections: { values: () => [] },
    cluster: { current: () => undefined },
    readiness: { have: () => undefined, lack: () => undefined },
    offers: { listen: () => undefined },
    clock: { sleep: async () => undefined },
    logger: pino({ level: 'silent' }),
    stopping: stopping.signal,
  };
  await watchForwarder(components as unknown as SignalComponents);
  expect(answers).toBe(3);
  expect(happened).toEqual(['watched', 'learnt', 'compared', 'watched']);
});
