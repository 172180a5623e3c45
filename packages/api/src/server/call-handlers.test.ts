// Streams whose caller takes nothing.
import { EventEmitter } from 'node:events';
import { Metadata } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../index.js';
import { CallHandlers } from './call-handlers.js';
import { ServerConnections } from './server-connections.js';

describe('a stream', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Of events without end, to a caller that takes so many of them at once. */
  const begin = (takes: () => boolean) => {
    const call = Object.assign(new EventEmitter(), {
      request: {},
      getPeer: () => '',
      metadata: new Metadata(),
      write: takes,
      end: vi.fn(),
    });
    const failed = new Promise((resolve) => call.once('error', resolve));
    const none = { ofOne: 0, ofAll: 0 };
    const connections = new ServerConnections(() => undefined, { streams: none, callBytes: none });
    const handlers = new CallHandlers(connections, () => undefined);
    let made = 0;
    const events = async function* () {
      for (; made < 1000; made++) yield {};
    };
    const method = connect.ClientConnection.method.watchConnections;
    const over = handlers.serverStreaming(method, events, ['manager'])(call as never);
    return { call, failed, over, made: () => made };
  };

  it('that is not read for a minute ends, and waits with what comes until then', async () => {
    const { call, failed, made } = begin(() => false);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(made()).toBe(0);
    call.emit('drain');
    await vi.advanceTimersByTimeAsync(59_000);
    expect(made()).toBe(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await failed).toMatchObject({ details: expect.stringMatching(/taken nothing for 60 s.*NSM0006/) });
  });

  it('that is read goes on', async () => {
    const { call, over } = begin(() => true);
    await over;
    expect(call.end).toHaveBeenCalled();
  });
});
