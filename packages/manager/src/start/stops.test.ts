// What was begun is taken back, whatever fails on the way.
import { expect, it } from 'vitest';
import { Stops } from './stops.js';

it('parts are stopped the last first, each once, also when one before has failed', async () => {
  const done: string[] = [];
  const stops = new Stops({
    error: (_fields: object, message?: string) => void done.push(message ?? ''),
  } as never);
  stops.add(() => void done.push('store'));
  stops.add(async () => {
    throw new Error('busy');
  });
  stops.add(() => void done.push('sockets'));
  await stops.run();
  await stops.run();
  expect(done).toEqual(['sockets', 'a part was not stopped as it should be', 'store']);
});
