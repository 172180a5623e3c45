// The log for people.
import { expect, it } from 'vitest';
import { readableLine } from './readable-log.js';

it('a readable line says when, how bad, what and why, and then the rest', () => {
  const line = {
    level: 40,
    time: '2026-01-02T03:04:05.678Z',
    manager: 'node-a',
    pid: 1,
    connection: 'node-a:1-2',
    reason: 'endpoint "x" is gone',
    err: { code: 'NSM0201', message: 'no endpoint' },
    msg: 'request refused',
  };
  expect(readableLine(`${JSON.stringify(line)}\n`)).toBe(
    '2026-01-02T03:04:05.678Z  WARN   request refused: no endpoint (NSM0201)  manager=node-a  connection=node-a:1-2  ' +
      'reason="endpoint \\"x\\" is gone"\n',
  );
});
