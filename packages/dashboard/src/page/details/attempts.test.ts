import { expect, it } from 'vitest';
import { attemptsOf } from './attempts.js';

const step = (name: string, error = '') => ({
  name,
  manager: 'node-a',
  component: 'manager',
  startMs: 0,
  durationMs: 1,
  error,
});
const attempt = [step('choose'), step('ask', 'refused')];

it.each([
  ['a success', [step('choose'), step('make'), step('make')], ['choose', 'make', 'make']],
  ['attempts alike', [step('lose'), ...attempt, ...attempt, ...attempt], ['lose', 'choose ask ×3']],
  [
    'a success at last',
    [...attempt, ...attempt, step('choose'), step('ask')],
    ['choose ask ×2', 'choose', 'ask'],
  ],
  ['one failure', attempt, ['choose', 'ask']],
  ['nothing', [], []],
])('%s', (_, steps, told) => {
  const words = attemptsOf(steps).map(({ steps: some, times }) => {
    const names = some.map(({ name }) => name).join(' ');
    return times > 1 ? `${names} ×${times}` : names;
  });
  expect(words).toEqual(told);
});
