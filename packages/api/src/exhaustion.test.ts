// Errors of the system by the limit that they speak of: its name, its value now, what raises it.
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { NsmError } from './errors.js';
import { descriptorsLeft, openFileLimit } from './exhaustion.js';

const failing = (fields: object, message = 'it failed', cause?: Error): Error =>
  Object.assign(new Error(message, cause && { cause }), fields);
const sysctl = (path: string): string => readFileSync(`/proc/sys/${path}`, 'utf8').trim();
/** The kernel shows it in the machine's first network namespace alone. */
const neighbours = (family: string): string => {
  const path = `net/${family}/neigh/default/gc_thresh3`;
  const value = existsSync(`/proc/sys/${path}`) ? ` is ${sysctl(path)};` : ', which is set on the host;';
  return `${path.replaceAll('/', '.')}${value}`;
};

describe('what is used up', () => {
  it.each([
    [{ code: 'EMFILE', syscall: 'open' }, `may have ${openFileLimit()} (RLIMIT_NOFILE)`],
    [{ code: 'EMFILE', operation: 'open netlink socket' }, 'LimitNOFILE='],
    [
      { code: 'EMFILE', syscall: 'watch' },
      `fs.inotify.max_user_instances is ${sysctl('fs/inotify/max_user_instances')}`,
    ],
    [
      { code: 'ENOSPC', syscall: 'watch' },
      `fs.inotify.max_user_watches is ${sysctl('fs/inotify/max_user_watches')}`,
    ],
    [{ code: 'ENFILE', operation: 'open' }, `fs.file-max is ${sysctl('fs/file-max')}`],
    [{ code: 'EAGAIN', syscall: 'spawn nft' }, `kernel.threads-max is ${sysctl('kernel/threads-max')}`],
    [{ code: 'ERR_WORKER_INIT_FAILED' }, 'RLIMIT_NPROC is '],
    [{ code: 'ENOBUFS', operation: 'add neighbour', object: '10.9.0.1 on 3' }, neighbours('ipv4')],
    [{ code: 'ENOBUFS', operation: 'add neighbour', object: 'fd00::1 on 3' }, neighbours('ipv6')],
    [{ code: 'E2BIG', operation: 'write to', object: 'eBPF map x of 8 entries' }, 'close connections'],
    [{ code: 'ENOMEM', operation: 'add link' }, 'kB are available'],
    // Since Linux 5.11 it counts as the control group's memory, and no longer as locked.
    [{ code: 'ENOMEM', operation: 'write to', object: 'eBPF map x of 8 entries' }, 'no more memory'],
  ])('%j', (fields, words) => {
    const error = NsmError.from(failing(fields));
    expect(error).toMatchObject({
      kind: 'exhausted',
      code: 'NSM0605',
      grpcStatus: status.RESOURCE_EXHAUSTED,
    });
    expect(error.message).toContain(words);
    expect(error.message).toMatch(/^it failed: /);
  });

  it('is found in the cause of an error, and in the words of a channel, unless the other side has said what it is', () => {
    expect(NsmError.from(failing({ code: 'failed' }, 'x', failing({ code: 'EMFILE' }))).kind).toBe(
      'exhausted',
    );
    const channel = (details: string) =>
      failing({ code: status.UNAVAILABLE, details }, `14 UNAVAILABLE: ${details}`);
    expect(NsmError.from(channel('No connection established. Last error: connect EMFILE')).kind).toBe(
      'exhausted',
    );
    expect(NsmError.from(channel('not here: EMFILE (NSM0203)')).kind).toBe('endpoint-unreachable');
  });

  it('is told as a full disk where a file cannot be written', () => {
    const error = NsmError.from(failing({ code: 'ENOSPC', syscall: 'open', path: '/nowhere/x' }));
    expect(error).toMatchObject({ kind: 'disk' });
  });

  it.each([
    [{ code: 'EAGAIN', operation: 'read' }],
    // This machine has free ports: it is the address that it does not have.
    [{ code: 'EADDRNOTAVAIL', syscall: 'connect' }],
    [{ code: 'E2BIG', syscall: 'spawn' }],
    [{ code: 'ENOBUFS', operation: 'receive' }],
    [{ code: 'EPERM', operation: 'load eBPF object' }],
    [{ code: 'ENOENT', syscall: 'open' }],
    [{}],
  ])('is nothing in %j', (fields) => expect(NsmError.from(failing(fields)).kind).toBe('internal'));

  it('is counted as descriptors come and go', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nsm-open-'));
    const before = descriptorsLeft();
    const fds = Array.from({ length: 20 }, (_, n) => openSync(join(folder, `${n}`), 'w'));
    const meanwhile = descriptorsLeft();
    for (const fd of fds) closeSync(fd);
    rmSync(folder, { recursive: true });
    // Others of this process's may come and go, too.
    expect(before - meanwhile).toBeGreaterThan(10);
    expect(descriptorsLeft() - meanwhile).toBeGreaterThan(10);
  });
});
