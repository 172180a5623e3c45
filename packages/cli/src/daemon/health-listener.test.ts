// What a daemon's health says over plain HTTP.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Metrics } from '@nsm/observe';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { healthPages, listenHttp, metricsPage } from './health-listener.js';

const missing = new Map([['registry', 'not yet']]);
let listener: Awaited<ReturnType<typeof listenHttp>>;

beforeAll(async () => {
  listener = await listenHttp('127.0.0.1:0', {
    ...healthPages(() => missing),
    ...metricsPage(new Metrics()),
    '/broken': async () => {
      throw new Error('cannot be read');
    },
  });
});

afterAll(async () => {
  await listener[Symbol.asyncDispose]();
});

const get = async (path: string, method = 'GET'): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${listener.port}${path}`, { method });
  return `${response.status} ${await response.text()}`;
};

it('the listener tells what is missing, and what has been ready once', async () => {
  const all = async (): Promise<string[]> =>
    await Promise.all(['/startz', '/readyz', '/healthz'].map((path) => get(path)));
  expect(await all()).toEqual(['503 registry: not yet\n', '503 registry: not yet\n', '200 alive\n']);
  missing.clear();
  expect(await all()).toEqual(['200 started\n', '200 ready\n', '200 alive\n']);
  missing.set('forwarder', 'it does not answer');
  expect(await all()).toEqual(['200 started\n', '503 forwarder: it does not answer\n', '200 alive\n']);
  missing.clear();
});

it('the listener answers for its own paths, and for no others', async () => {
  expect(await get('/readyz?verbose')).toBe('200 ready\n');
  expect(await get('/readyz', 'HEAD')).toBe('200 ');
  expect(await get('/readyz', 'POST')).toBe('405 only GET\n');
  expect(await get('/metrics')).toBe('200 \n');
  expect(await get('/broken')).toBe('500 cannot be read\n');
  for (const path of ['/', '/constructor', '/readyz/']) expect(await get(path)).toMatch(/^404 /);
});

it('a port that is in use is named in the error', async () => {
  const pages = healthPages(() => missing);
  await expect(listenHttp(`127.0.0.1:${listener.port}`, pages)).rejects.toMatchObject({
    kind: 'conflict',
    message: `cannot listen on 127.0.0.1:${listener.port}: another program has that port`,
  });
  await expect(listenHttp('192.0.2.77:1', pages)).rejects.toMatchObject({ kind: 'invalid' });
});

it('the listener answers probes whatever a stranger at another address does', async () => {
  const { port } = listener;
  const opened = Array.from({ length: 64 }, (): Socket => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    // It asks and takes no answer, or does not even ask.
    socket.on('error', () => undefined).pause();
    return socket;
  });
  await Promise.all(opened.map((socket) => once(socket, 'connect')));
  try {
    expect(await get('/healthz')).toBe('200 alive\n');
  } finally {
    for (const socket of opened) socket.destroy();
  }
});
