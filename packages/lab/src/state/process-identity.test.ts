// Processes by number and start time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { identifyProcess, isAlive, killGroup, signalProcess } from './process-identity.js';

it('tells a process from another of the same number', () => {
  const self = identifyProcess(process.pid);
  expect(self && isAlive(self)).toBe(true);
  expect(self && isAlive({ ...self, startTime: self.startTime + 1 })).toBe(false);
  expect(self && isAlive({ ...self, bootId: 'another boot' })).toBe(false);
  expect(identifyProcess(2 ** 22 + 1)).toBeUndefined();
});

it('spares a process that only has the number', () => {
  const self = identifyProcess(process.pid);
  const other = { ...self!, startTime: 1 };
  signalProcess(other, 'SIGKILL');
  killGroup(other);
  killGroup({ ...self!, bootId: 'another boot' });
});

it('kills what a dead leader left in its group', async () => {
  const leader = spawn('sh', ['-c', 'sleep 1000 & echo $!; read line'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const [line] = (await once(leader.stdout, 'data')) as [Buffer];
  const child = identifyProcess(Number(line.toString()))!;
  const identity = identifyProcess(leader.pid!)!;
  leader.stdin.end();
  await once(leader, 'exit');
  expect(isAlive(child)).toBe(true);
  killGroup(identity);
  // The pipe is closed by the last process that has it, a moment before that has ended.
  await once(leader, 'close');
  await expect.poll(() => isAlive(child)).toBe(false);
});
