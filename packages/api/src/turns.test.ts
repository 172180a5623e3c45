// Work on the same things is done in turn, on others at the same time.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Turns } from './turns.js';

it('work for a key is done in its order, whatever became of the work before', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const work = (name: string, rounds: number) => async () => {
    for (let n = 0; n < rounds; n++) await turn();
    done.push(name);
    if (name === 'fails') throw new Error(name);
  };
  const fails = expect(turns.take(['a'], work('fails', 5))).rejects.toThrow('fails');
  void turns.take(['a', 'b'], work('of both', 3));
  void turns.take(['b'], work('after both', 1));
  void turns.take(['c'], work('apart', 1));
  await turns.ended();
  expect(done).toEqual(['apart', 'fails', 'of both', 'after both']);
  await fails;
});
