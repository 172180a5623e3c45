// serve() against the manager's side of the wire: advertising, answering, idempotency, restart, leaving.
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Channel, endpoint, InterfaceType } from '@nsm/api';
import { describe, expect, it, vi } from 'vitest';
import { type EndpointRequest, type ServeStatus, serve } from './index.js';
import { ManagerSide } from './manager-side.test.support.js';
import { ownNamespace } from './own-namespace.js';

describe('serve', () => {
  it('advertises every service and withdraws them', async () => {
    await using manager = await new ManagerSide().start();
    const served = await serve({
      services: ['firewall', 'vpn'],
      name: 'fw-1',
      namespace: 'prod',
      runDir: manager.runDir,
      interfaces: [{ type: 'kernel', preference: 'first' }, 'mem'],
      labels: { tier: 'gold' },
      prefixes: ['10.60.0.0/16'],
    });
    const socket = join(manager.runDir, 'endpoints', 'prod.fw-1.sock');
    expect(served.socket).toBe(socket);
    const record = {
      nseProviderName: 'fw-1',
      nseProviderNamespace: 'prod',
      socketLocation: socket,
      interface: [
        { type: 1, preference: 1 },
        { type: 3, preference: 0 },
      ],
      labels: { selector: { tier: 'gold' } },
      prefixes: ['10.60.0.0/16'],
    };
    expect(manager.advertised).toMatchObject([
      {
        networkEndpoint: [
          { ...record, networkServiceName: 'firewall' },
          { ...record, networkServiceName: 'vpn' },
        ],
      },
    ]);
    await served.close();
    await served.close();
    expect(manager.removed.map((request) => request.networkServiceName)).toEqual(['firewall', 'vpn']);
    expect(existsSync(socket)).toBe(false);
  });

  it('answers each connection once, and the same however often it is asked', async () => {
    await using manager = await new ManagerSide().start();
    const asked: EndpointRequest[] = [];
    const ended: string[] = [];
    await using served = await serve({
      service: 'firewall',
      name: 'fw',
      runDir: manager.runDir,
      onConnect: (request) => {
        asked.push(request);
        if (request.labels.tier === 'poor') return { refuse: 'only gold' };
        return {
          addresses: [`10.0.0.${asked.length}/31`],
          routes: ['0.0.0.0/0'],
          dns: { servers: ['10.0.0.53'] },
          endpointAddresses: ['10.0.0.0/31'],
        };
      },
      onClose: (request, reason) => {
        ended.push(`${request.requestId} ${reason}`);
      },
    });
    using channel = new Channel(`unix:${served.socket}`);
    const client = channel.client(endpoint.EndpointConnection);
    const ask = {
      requestId: 'pod-1',
      networkServiceName: 'firewall',
      interface: { type: InterfaceType.KERNEL_INTERFACE },
      endpointParameters: { interfaceName: 'nsm1', mac: '02:00:00:00:00:02', connectionId: 'node-a:2' },
    };
    const replies = await Promise.all([1, 2, 3].map(() => client.requestEndpointConnection(ask)));
    for (const reply of replies)
      expect(reply).toMatchObject({
        requestId: 'pod-1',
        networkServiceName: 'firewall',
        linuxNamespace: ownNamespace(),
        admissionError: '',
        clientParameters: { address: '10.0.0.1/31', route: ['0.0.0.0/0'], dns: { servers: ['10.0.0.53'] } },
        endpointParameters: { address: '10.0.0.0/31' },
      });
    expect(asked).toEqual([
      {
        requestId: 'pod-1',
        service: 'firewall',
        interface: 'kernel',
        interfaceParameters: {},
        labels: {},
        connectionId: 'node-a:2',
        interfaceName: 'nsm1',
        mac: '02:00:00:00:00:02',
        mtu: 0,
        maxMtu: 0,
      },
    ]);

    const poor = await client.requestEndpointConnection({ ...ask, labels: { selector: { tier: 'poor' } } });
    expect(poor.admissionError).toBe('only gold');
    expect((await client.requestEndpointConnection(ask)).clientParameters?.address).toBe('10.0.0.1/31');
    expect(asked).toHaveLength(2);

    const close = { requestId: 'pod-1', networkServiceName: 'firewall', reason: 'the client left' };
    await client.closeEndpointConnection(close);
    await client.closeEndpointConnection(close);
    expect(ended).toEqual(['pod-1 the client left']);
    await client.requestEndpointConnection(ask);
    expect(asked).toHaveLength(3);
  });

  it('gives up a connection whose manager has not waited for the answer, and one that is closed before it', async () => {
    await using manager = await new ManagerSide().start();
    const events: string[] = [];
    const decisions: (() => void)[] = [];
    await using served = await serve({
      service: 'firewall',
      name: 'fw',
      runDir: manager.runDir,
      onConnect: async ({ requestId }) => {
        await new Promise<void>((resolve) => decisions.push(resolve));
        events.push(`connect ${requestId}`);
        return {};
      },
      onClose: ({ requestId }, reason) => {
        events.push(`close ${requestId}: ${reason}`);
      },
    });
    using channel = new Channel(`unix:${served.socket}`);
    const client = channel.client(endpoint.EndpointConnection);
    const ask = (requestId: string, signal?: AbortSignal) =>
      client.requestEndpointConnection(
        { requestId, networkServiceName: 'firewall' },
        signal ? { signal } : {},
      );
    const decide = async (): Promise<void> => {
      await vi.waitFor(() => expect(decisions).not.toEqual([]));
      decisions.shift()!();
    };

    const leaving = new AbortController();
    const left = ask('impatient', leaving.signal);
    await vi.waitFor(() => expect(decisions).not.toEqual([]));
    leaving.abort();
    await expect(left).rejects.toMatchObject({ kind: 'cancelled' });
    // Answered after the cancellation, so that it has arrived as well.
    const patient = ask('patient');
    await vi.waitFor(() => expect(decisions).toHaveLength(2));
    await decide();
    await decide();
    await patient;
    await vi.waitFor(() =>
      expect(events).toContain('close impatient: the manager did not wait for the answer'),
    );
    expect(events).toHaveLength(3);

    const late = ask('closed');
    await vi.waitFor(() => expect(decisions).not.toEqual([]));
    const closed = client.closeEndpointConnection({
      requestId: 'closed',
      networkServiceName: 'firewall',
      reason: 'the client left',
    });
    await decide();
    await Promise.all([late, closed]);
    const again = ask('closed');
    await decide();
    await again;
    expect(events.slice(3)).toEqual(['connect closed', 'close closed: the client left', 'connect closed']);
  });

  it('refuses what its handler fails at, and can do nothing at all', async () => {
    await using manager = await new ManagerSide().start();
    await using broken = await serve({
      service: 'a',
      name: 'broken',
      runDir: manager.runDir,
      onConnect: () => {
        throw new Error('out of licences');
      },
    });
    await using plain = await serve({
      service: 'a',
      name: 'plain',
      runDir: manager.runDir,
      onConnect: () => {},
    });
    const ask = async (socket: string) => {
      using channel = new Channel(`unix:${socket}`);
      return await channel
        .client(endpoint.EndpointConnection)
        .requestEndpointConnection({ requestId: 'p', networkServiceName: 'a' });
    };
    expect((await ask(broken.socket)).admissionError).toBe('out of licences');
    expect((await ask(plain.socket)).admissionError).toBe('');
  });

  it('hears why a connection that it accepted could not be made, and says so where nobody listens', async () => {
    await using manager = await new ManagerSide().start();
    const heard: string[] = [];
    const options = { service: 'firewall', runDir: manager.runDir };
    await using listening = await serve({
      ...options,
      name: 'listening',
      onFailed: ({ requestId }, { kind, message }) => void heard.push(`${requestId} ${kind}: ${message}`),
      onClose: (_, reason) => void heard.push(reason),
    });
    await using silent = await serve({ ...options, name: 'silent' });
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    for (const { socket } of [listening, silent]) {
      const channel = new Channel(`unix:${socket}`);
      const client = channel.client(endpoint.EndpointConnection);
      for (const reason of ['route "x" is no prefix (NSM0204)', 'closed by the client']) {
        const key = { requestId: 'pod-1', networkServiceName: 'firewall' };
        await client.requestEndpointConnection(key);
        await client.closeEndpointConnection({ ...key, reason });
      }
      channel.close();
    }
    expect(heard).toEqual([
      'pod-1 endpoint-refused: route "x" is no prefix',
      'route "x" is no prefix (NSM0204)',
      'closed by the client',
    ]);
    expect(printed.mock.calls).toEqual([
      ['nsm: no connection for pod-1 to firewall: route "x" is no prefix (NSM0204)'],
    ]);
    printed.mockRestore();
  });

  it('advertises again when the manager comes back', async () => {
    await using manager = await new ManagerSide().start();
    const states: ServeStatus['state'][] = [];
    let heard = (): void => {};
    await using _served = await serve({
      service: 'a',
      name: 'fw',
      runDir: manager.runDir,
      onStatus: ({ state }) => {
        states.push(state);
        if (state === 'advertised') heard();
      },
    });
    for (let restart = 1; restart <= 2; restart++) {
      const again = new Promise<void>((resolve) => {
        heard = resolve;
      });
      await manager.stop();
      await manager.start();
      await again;
    }
    expect(states).toEqual(['manager-lost', 'advertised', 'manager-lost', 'advertised']);
    expect(manager.advertised).toHaveLength(3);
  });

  it.skipIf(process.getuid?.() !== 0)('opens its socket to whatever user the manager becomes', async () => {
    await using manager = await new ManagerSide().start();
    await using served = await serve({ service: 'a', name: 'fw', runDir: manager.runDir });
    const access = (): string => {
      const { mode, gid } = statSync(served.socket);
      return `${(mode & 0o777).toString(8)} ${gid}`;
    };
    expect(access()).toBe('600 0');
    for (const [user, wanted] of [
      [4711, '660 4711'],
      [0, '600 0'],
    ] as const) {
      await manager.stop();
      const again = manager.nextAdvertisement();
      await manager.start(user);
      await again;
      expect(access()).toBe(wanted);
    }
  });

  it('serves again when the run directory was removed under it', async () => {
    await using manager = await new ManagerSide().start();
    await using served = await serve({ service: 'a', name: 'fw', runDir: manager.runDir });
    rmSync(manager.runDir, { recursive: true });
    await vi.waitFor(() => expect(existsSync(served.socket)).toBe(true), { timeout: 10_000 });
    using channel = new Channel(`unix:${served.socket}`);
    const ask = { requestId: 'p', networkServiceName: 'a' };
    const reply = await channel.client(endpoint.EndpointConnection).requestEndpointConnection(ask);
    expect(reply).toMatchObject({ requestId: 'p', admissionError: '' });
  });

  it('advertises again although it is cut off while it does', async () => {
    await using manager = await new ManagerSide().start();
    await using _served = await serve({ service: 'a', name: 'fw', runDir: manager.runDir });
    for (let restart = 1; restart <= 3; restart++) {
      const again = manager.nextAdvertisement();
      await manager.stop();
      await manager.start();
      await again;
    }
  });

  it('is closed although its manager stops while it is told', async () => {
    await using manager = await new ManagerSide().start();
    const served = await serve({ service: 'a', name: 'fw', runDir: manager.runDir });
    manager.onRemove = () => manager.stop();
    await served.close();
    expect(manager.removed).toHaveLength(1);
    expect(existsSync(served.socket)).toBe(false);
  });

  it('leaves nothing behind when it is refused or nobody answers', async () => {
    await using manager = new ManagerSide();
    const socket = join(manager.runDir, 'fw.sock');
    const options = { service: 'a', name: 'fw', runDir: manager.runDir, socket };
    await expect(serve(options)).rejects.toMatchObject({ kind: 'unavailable' });
    await manager.start();
    manager.refuse = 'the name "fw" is taken by another endpoint (NSM0105)';
    await expect(serve(options)).rejects.toMatchObject({ kind: 'conflict' });
    expect(existsSync(socket)).toBe(false);
  });

  it('refuses a socket path that no socket can have', async () => {
    await expect(
      serve({ service: 'a', name: 'fw', socket: `/tmp/${'x'.repeat(200)}` }),
    ).rejects.toMatchObject({
      kind: 'invalid',
    });
  });
});
