// Waiting for descriptors and processes, in the main thread and in workers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { peerCredentials } from '../unix/socket-peers.js';
import * as libc from './libc.js';
import { NetlinkError } from './netlink-error.js';
import { Poller } from './poller.js';
import { openProcess, processStartTime } from './processes.js';

const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const count = Buffer.alloc(8);
const open: number[] = [];
const makeEvent = (): number => {
  const fd = libc.eventfd(0, libc.EFD_CLOEXEC | libc.EFD_NONBLOCK);
  open.push(fd);
  return fd;
};
const signal = (fd: number): void => {
  libc.write(fd, one, 8);
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

afterEach(() => {
  for (const fd of open.splice(0)) libc.close(fd);
});

describe('Poller', () => {
  it('tells of every event and is quiet in between', async () => {
    using poller = new Poller();
    const fd = makeEvent();
    let calls = 0;
    let wake = (): void => {};
    poller.watch(fd, () => {
      libc.read(fd, count, 8);
      calls++;
      wake();
    });
    for (let round = 1; round <= 100; round++) {
      const called = new Promise<void>((resolve) => {
        wake = resolve;
      });
      signal(fd);
      await called;
      expect(calls).toBe(round);
    }
    await turn();
    await turn();
    expect(calls).toBe(100);
  });

  it('calls again for what is left unread', async () => {
    using poller = new Poller();
    const fd = makeEvent();
    let calls = 0;
    await new Promise<void>((resolve) => {
      poller.watch(fd, () => {
        if (++calls < 3) return;
        libc.read(fd, count, 8);
        resolve();
      });
      signal(fd);
    });
    expect(calls).toBe(3);
  });

  it('continues promises that a callback resolves', async () => {
    using poller = new Poller();
    const fd = makeEvent();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      poller.watch(
        fd,
        () => {
          void Promise.resolve().then(() => {
            order.push('promise');
            resolve();
          });
          order.push('callback');
        },
        { once: true },
      );
      signal(fd);
    });
    expect(order).toEqual(['callback', 'promise']);
  });

  it('ends a watch with its first event when asked to', async () => {
    using poller = new Poller();
    const fd = makeEvent();
    let calls = 0;
    poller.watch(fd, () => calls++, { once: true });
    signal(fd);
    await turn();
    await turn();
    expect(calls).toBe(1);
    expect(poller.size).toBe(0);
    // And the descriptor can be watched anew.
    poller.watch(fd, () => calls++, { once: true });
    await turn();
    await turn();
    expect(calls).toBe(2);
  });

  it('does not tell of what is no longer watched, also when both happen in one turn', async () => {
    using poller = new Poller();
    const fds = Array.from({ length: 200 }, makeEvent);
    const watches: Disposable[] = [];
    let calls = 0;
    for (const fd of fds)
      watches.push(
        poller.watch(fd, () => {
          calls++;
          for (const watch of watches) watch[Symbol.dispose]();
        }),
      );
    for (const fd of fds) signal(fd);
    await turn();
    await turn();
    expect(calls).toBe(1);
    expect(poller.size).toBe(0);
  });

  it('serves more descriptors than fit into one wait', async () => {
    using poller = new Poller();
    const fds = Array.from({ length: 300 }, makeEvent);
    const seen = new Set<number>();
    await new Promise<void>((resolve) => {
      for (const fd of fds)
        poller.watch(fd, () => {
          libc.read(fd, count, 8);
          seen.add(fd);
          if (seen.size === fds.length) resolve();
        });
      for (const fd of fds) signal(fd);
    });
    expect(seen.size).toBe(300);
  });

  it('keeps a reused descriptor number apart from its predecessor', async () => {
    using poller = new Poller();
    const fd = libc.eventfd(0, libc.EFD_CLOEXEC | libc.EFD_NONBLOCK);
    const watch = poller.watch(fd, () => expect.unreachable());
    libc.close(fd);
    watch[Symbol.dispose]();
    const again = makeEvent();
    expect(again).toBe(fd);
    const called = new Promise<void>((resolve) => {
      poller.watch(again, () => resolve(), { once: true });
    });
    signal(again);
    await called;
  });

  it('refuses what cannot be watched', () => {
    using poller = new Poller();
    const fd = makeEvent();
    poller.watch(fd, () => {});
    expect(() => poller.watch(fd, () => {})).toThrow(NetlinkError);
    expect(() => poller.watch(-1, () => {})).toThrow('EBADF');
    poller.close();
    expect(() => poller.watch(fd, () => {})).toThrow(TypeError);
  });

  const inWorker = (body: string): Worker => {
    const code = `
      const { Poller, libc } = await import(${JSON.stringify(new URL('../index.js', import.meta.url).href)});
      const { parentPort } = await import('node:worker_threads');
      const fd = libc.eventfd(0, libc.EFD_CLOEXEC | libc.EFD_NONBLOCK);
      ${body}`;
    return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  };

  it('works in a worker, which ends by itself when nothing is watched', async () => {
    const worker = inWorker(`
      const poller = new Poller();
      poller.watch(fd, () => parentPort.postMessage('event'), { once: true });
      libc.write(fd, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), 8);`);
    const [[message], [code]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    expect([message, code]).toEqual(['event', 0]);
  });

  it('does not hold a worker that watches without keepAlive', async () => {
    const worker = inWorker('new Poller({ keepAlive: false }).watch(fd, () => {});');
    expect((await once(worker, 'exit'))[0]).toBe(0);
  });

  it('lets a worker be terminated while it watches', async () => {
    const worker = inWorker(`
      new Poller().watch(fd, () => {});
      parentPort.postMessage('watching');`);
    await once(worker, 'message');
    await worker.terminate();
  });

  it('does not hold back process.exit(), nor the end of a process that watches without keepAlive', async () => {
    const index = new URL('../index.js', import.meta.url).href;
    for (const last of [
      'new Poller().watch(fd, () => {}); process.exit(7);',
      'new Poller({ keepAlive: false }).watch(fd, () => {}); process.exitCode = 7;',
    ]) {
      const code = `import { Poller, libc } from ${JSON.stringify(index)};
        const fd = libc.eventfd(0, libc.EFD_CLOEXEC); ${last}`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
      expect((await once(child, 'exit'))[0]).toBe(7);
    }
  });
});

describe('processes', () => {
  it('tell of their end at once', async () => {
    using poller = new Poller();
    const child = spawn('sleep', ['60']);
    using handle = openProcess(child.pid!);
    expect(handle.startTime).toBe(processStartTime(child.pid!));
    const ended = handle.exited(poller);
    child.kill();
    await ended;
    expect(poller.size).toBe(0);
  });

  it('tell of an end that was before', async () => {
    using poller = new Poller();
    const child = spawn('true');
    using handle = openProcess(child.pid!);
    await once(child, 'exit');
    await handle.exited(poller);
    expect(() => openProcess(child.pid!)).toThrow('ESRCH');
  });

  it('can be given up waiting for', async () => {
    using poller = new Poller();
    using handle = openProcess(process.pid);
    const controller = new AbortController();
    const waiting = handle.exited(poller, controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(poller.size).toBe(0);
    await expect(handle.exited(poller, AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  });

  it('are known by their socket', async () => {
    const path = `\0nsm-netlink-test-${process.pid}`;
    const server = createServer().listen(path);
    const connected = once(server, 'connection') as Promise<[Socket & { _handle: { fd: number } }]>;
    await once(server, 'listening');
    const child = spawn(process.execPath, ['-e', `require('net').connect(${JSON.stringify(path)})`]);
    const [socket] = await connected;
    expect(peerCredentials(socket._handle.fd)).toEqual({
      pid: child.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    socket.destroy();
    server.close();
    child.kill();
    expect(() => peerCredentials(-1)).toThrow('EBADF');
  });
});
