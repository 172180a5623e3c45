// Managers with certificates of each source: who is believed by whom, while certificates come and go.
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Channel, type ChannelOptions, NsmError, Server, registry as wire } from '@nsm/api';
import {
  Authority,
  type CredentialSources,
  issueFiles,
  JoinTokens,
  type MachineCredentials,
  openCredentials,
} from '@nsm/pki';
import { requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

const hourMs = 3_600_000;

describe.skipIf(!requireRoot('certificates'))('certificates', () => {
  let folder: string;
  let pkiDir: string;
  const said: string[] = [];
  const say = (fields: object, text: string): void => {
    said.push(
      `${text} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? value.message : value))}`,
    );
  };
  const logger = { info: say, warn: say, error: say };
  const open: Disposable[] = [];
  const servers: Server[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-certificates-'));
    pkiDir = join(folder, 'pki');
  });
  afterEach(async () => {
    for (const one of open.splice(0).toReversed()) one[Symbol.dispose]();
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    said.length = 0;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const credentialsOf = async (
    name: string,
    sources: Partial<CredentialSources> = {},
  ): Promise<MachineCredentials> => {
    const places = { pkiDir, stateDir: join(folder, name) };
    const credentials = await openCredentials({ ...places, ...sources }, { kind: 'manager', name }, logger);
    if (!credentials) throw new Error('plain text');
    open.push(credentials);
    return credentials;
  };
  /** Serves who calls, and a stream that never ends. @returns HOST:PORT */
  const serve = async (credentials?: MachineCredentials): Promise<string> => {
    const server = new Server().add(wire.Registry, {
      claim: async (_: unknown, { identity }: { identity?: { name: string } }) => ({
        holder: identity?.name ?? 'nobody',
      }),
      watch: async function* (_: unknown, { signal }: { signal: AbortSignal }) {
        for (;;) {
          yield {};
          await new Promise((resolve) => setTimeout(resolve, 5));
          if (signal.aborted) return;
        }
      },
      ...Object.fromEntries(
        wire.Registry.methods
          .filter(({ localName }) => !['claim', 'watch'].includes(localName))
          .map(({ localName }) => [localName, async () => ({})]),
      ),
    } as never);
    servers.push(server);
    const port = await server.listenTcp('127.0.0.1:0', {
      onRefused: ({ message }) => said.push(message),
      ...(credentials ? { credentials } : {}),
      ...(credentials?.joining ? { other: credentials.joining } : {}),
    });
    return `127.0.0.1:${port}`;
  };
  const channelTo = (address: string, options: ChannelOptions = {}): Channel => {
    const channel = new Channel(address, options);
    open.push(channel);
    return channel;
  };
  const ask = async (address: string, options: ChannelOptions = {}): Promise<string> => {
    const client = channelTo(address, options).client(wire.Registry);
    return (await client.claim({ name: 'x' }, { timeoutMs: 5000 })).holder;
  };
  const refusal = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => NsmError.from(thrown),
    );
    return `${error?.kind}: ${error?.message}`;
  };

  /** Calls, and a stream, over one connection to node-a until `end`, which tells how many of them were lost. */
  const useOf = (address: string, credentials: MachineCredentials) => {
    const client = channelTo(address, { credentials, expected: { name: 'node-a' } }).client(wire.Registry);
    const ending = new AbortController();
    const done = { calls: 0, events: 0, lost: 0 };
    const calls = (async () => {
      while (!ending.signal.aborted) {
        await client.claim({ name: 'x' }, { timeoutMs: 5000 }).catch(() => done.lost++);
        done.calls++;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    const stream = (async () => {
      for await (const _ of client.watch({}, { signal: ending.signal })) done.events++;
      if (!ending.signal.aborted) done.lost++;
    })().catch(() => {
      if (!ending.signal.aborted) done.lost++;
    });
    return {
      goesOn: async (): Promise<void> => {
        const { calls, events } = done;
        await waitFor(() => done.calls > calls + 5 && done.events > events + 5, { what: 'calls and events' });
      },
      end: async (): Promise<number> => {
        ending.abort();
        await Promise.all([calls, stream]);
        return done.lost;
      },
    };
  };

  it('of one authority are believed, each for its own name', async () => {
    const [a, b] = [await credentialsOf('node-a'), await credentialsOf('node-b')];
    const address = await serve(a);
    for (const expected of [{}, { name: 'node-a' }, { kind: 'manager', name: 'node-a' }] as const)
      expect(await ask(address, { credentials: b, expected })).toBe('node-b');
  });

  it('of another name are not those of the manager that is meant', async () => {
    const [a, b] = [await credentialsOf('node-a'), await credentialsOf('node-b')];
    const address = await serve(a);
    for (const expected of [{ name: 'node-c' }, { kind: 'registry' }] as const)
      expect(await refusal(ask(address, { credentials: b, expected }))).toMatch(
        /^untrusted: .*is spiffe:\/\/nsm\/manager\/node-a, and not /,
      );
  });

  it('of two authorities are not believed, and both sides say so', async () => {
    const a = await credentialsOf('node-a');
    const foreign = await credentialsOf('node-b', { pkiDir: join(folder, 'foreign') });
    const address = await serve(a);
    expect(await refusal(ask(address, { credentials: foreign }))).toMatch(/^untrusted: .*not trusted here/);
    // The caller believes the server, and not the other way round: the server's words reach the caller.
    const half = { ...foreign.current, authorities: a.current.authorities };
    expect(await refusal(ask(address, { credentials: { current: half } }))).toMatch(
      /^untrusted: .*refuses this process: this host has a certificate.*not trusted here/,
    );
    expect(said.some((line) => line.includes('not trusted here'))).toBe(true);
  });

  it('end the connections that they began', async () => {
    const files = mkdtempSync(join(folder, 'short-'));
    issueFiles(Authority.open(pkiDir), { kind: 'manager', name: 'node-b' }, 3000, files);
    const short = await credentialsOf('node-b', {
      tlsCert: join(files, 'tls.crt'),
      tlsKey: join(files, 'tls.key'),
      tlsCa: join(files, 'ca.crt'),
    });
    const channel = channelTo(await serve(await credentialsOf('node-a')), { credentials: short });
    const client = channel.client(wire.Registry);
    expect((await client.claim({ name: 'x' })).holder).toBe('node-b');
    await channel.lost(5000, AbortSignal.timeout(20_000));
    expect(await refusal(client.claim({ name: 'x' }, { timeoutMs: 5000 }))).toMatch(
      /^untrusted.*has expired/,
    );
  });

  it('come from one source, and not beside plain text', async () => {
    const sources = { insecure: true, tlsCert: 'c', spiffeSocket: '/s', join: 'token@host:1' };
    const [insecure, ...others] = Object.entries(sources);
    for (const other of others)
      await expect(credentialsOf('node-a', Object.fromEntries([insecure!, other]))).rejects.toThrow(
        /--insecure and --\S+.* exclude each other/,
      );
    await expect(credentialsOf('node-a', { ...sources, insecure: false })).rejects.toThrow(
      /--tls-ca and --spiffe-socket and --join exclude each other/,
    );
  });

  it('and plain text do not mix, and both sides say so', async () => {
    const a = await credentialsOf('node-a');
    const [secure, plain] = [await serve(a), await serve()];
    expect(await refusal(ask(secure))).toMatch(/^untrusted: .*plain text.*--insecure/);
    expect(said.some((line) => /plain text.*--insecure/.test(line))).toBe(true);
    expect(await refusal(ask(plain, { credentials: a }))).toMatch(/^untrusted: .*plain text.*--insecure/);
  });

  it('of another trust domain count if one of that domain has signed', async () => {
    const a = await credentialsOf('node-a');
    const other = await credentialsOf('node-b', { pkiDir: join(folder, 'other') });
    const authorities = new Map([
      ...a.current.authorities,
      ['other', [Authority.inMemory('other').certificate]],
    ]);
    const address = await serve({ ...a, current: { ...a.current, authorities } } as MachineCredentials);
    // Its authority is believed for `nsm` by its name alone, and is another one.
    expect(await refusal(ask(address, { credentials: other }))).toMatch(/^untrusted/);
  });

  it('from files are taken anew without a lost call or stream; a broken pair keeps those before', async () => {
    const authority = Authority.open(pkiDir);
    // As Kubernetes does it: files are links into a folder, which is a link, too.
    const current = join(folder, 'current');
    const put = (lifeMs: number, name = 'node-a'): void => {
      const version = mkdtempSync(join(folder, 'version-'));
      issueFiles(authority, { kind: 'manager', name }, lifeMs, version);
      symlinkSync(version, `${current}.new`);
      renameSync(`${current}.new`, current);
    };
    put(hourMs);
    const files = { tlsCert: 'tls.crt', tlsKey: 'tls.key', tlsCa: 'ca.crt' };
    const sources = Object.fromEntries(
      Object.entries(files).map(([flag, file]) => [flag, join(current, file)]),
    );
    const a = await credentialsOf('node-a', sources);
    const b = await credentialsOf('node-b');
    const address = await serve(a);
    const work = useOf(address, b);
    await work.goesOn();
    for (const lifeMs of [2 * hourMs, 3 * hourMs]) {
      const before = a.validUntil;
      put(lifeMs);
      await waitFor(() => a.validUntil > before, { what: 'the new certificate', timeout: 5000 });
      expect(await ask(address, { credentials: b, expected: { name: 'node-a' } })).toBe('node-b');
      await work.goesOn();
    }
    const good = a.validUntil;
    // A key that does not fit, and a certificate of somebody else.
    writeFileSync(join(current, 'tls.key'), 'rubbish');
    await waitFor(() => said.some((line) => line.includes('tls.key')), {
      what: 'word of the key',
      timeout: 5000,
    });
    put(4 * hourMs, 'node-x');
    await waitFor(() => said.some((line) => line.includes('node-x')), {
      what: 'word of the name',
      timeout: 5000,
    });
    expect(a.validUntil).toEqual(good);
    await waitFor(() => a.trouble.includes('node-x'), { what: 'what operators are told' });
    rmSync(current);
    await waitFor(() => a.trouble.includes('ENOENT'), { what: 'word of files that are gone', timeout: 5000 });
    put(5 * hourMs);
    await waitFor(() => a.trouble === '', { what: 'the end of the trouble', timeout: 5000 });
    expect(await ask(address, { credentials: b, expected: { name: 'node-a' } })).toBe('node-b');
    await work.goesOn();
    expect(await work.end()).toBe(0);
  });

  describe('by a token', () => {
    const joinWith = (name: string, token: string, address: string): Promise<MachineCredentials> =>
      credentialsOf(name, { join: `${token}@${address}`, pkiDir: join(folder, 'none') });
    const tokenFor = (name?: string, lifeMs = hourMs): string =>
      new JoinTokens(pkiDir).create(Authority.open(pkiDir), lifeMs, name);

    it('are given once, kept, and believed', async () => {
      const address = await serve(await credentialsOf('node-a'));
      const token = tokenFor('joined');
      const joined = await joinWith('joined', token, address);
      expect(await ask(address, { credentials: joined, expected: { name: 'node-a' } })).toBe('joined');
      // A start later, with the flag that the first had.
      const again = await joinWith('joined', token, address);
      expect(again.validUntil).toEqual(joined.validUntil);
      expect(await refusal(joinWith('another', token, address))).toMatch(/^untrusted: .*for joined/);
      rmSync(join(folder, 'joined'), { recursive: true });
      expect(await refusal(joinWith('joined', token, address))).toMatch(/^untrusted: .*used already/);
    });

    it('renew themselves when two thirds of their time are over, without a lost call or stream', async () => {
      const now = Date.now();
      // As if all this was five days ago; the clock of OpenSSL is not moved.
      vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
      try {
        vi.setSystemTime(now - 5 * 24 * hourMs);
        const a = await credentialsOf('node-a');
        const address = await serve(a);
        const joined = await joinWith('renewed', tokenFor('renewed'), address);
        const [first, given] = [joined.validUntil, joined.current];
        vi.setSystemTime(now);
        // The server's own is renewed, too: it had a day.
        vi.advanceTimersByTime(10_000);
        await waitFor(() => a.validUntil.getTime() > now);
        const work = useOf(address, joined);
        await work.goesOn();
        vi.advanceTimersByTime(60_000);
        await waitFor(() => joined.validUntil > first, { what: 'a new certificate' });
        expect(joined.validUntil.getTime()).toBeGreaterThan(now + 6.9 * 24 * hourMs);
        expect(joined.current.key).not.toBe(given.key);
        await work.goesOn();
        expect(await ask(address, { credentials: joined, expected: { name: 'node-a' } })).toBe('renewed');
        expect(await work.end()).toBe(0);
        // It is what the next start has, and is good for longer.
        expect((await joinWith('renewed', 'of no use', address)).validUntil).toEqual(joined.validUntil);
      } finally {
        vi.useRealTimers();
      }
    });

    it('go to one of many that come at the same time', async () => {
      const address = await serve(await credentialsOf('node-a'));
      const token = tokenFor();
      const names = ['first', 'second', 'third', 'fourth'];
      const outcomes = await Promise.allSettled(names.map((name) => joinWith(name, token, address)));
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    it('are refused with one that has expired, or is made up', async () => {
      const address = await serve(await credentialsOf('node-a'));
      const expired = tokenFor('late', -1);
      expect(await refusal(joinWith('late', expired, address))).toMatch(/^untrusted: .*not known/);
      const last = expired.at(-1) === 'A' ? 'B' : 'A';
      const madeUp = tokenFor('late').slice(0, -10) + last.repeat(10);
      expect(await refusal(joinWith('late', madeUp, address))).toMatch(/^untrusted: .*not known/);
      expect(await refusal(joinWith('late', 'nsm1-short', address))).toMatch(/^invalid/);
    });

    it('tell nothing to a server of another mesh', async () => {
      mkdirSync(join(folder, 'evil'), { mode: 0o700 });
      const evil = await credentialsOf('node-a', { pkiDir: join(folder, 'evil') });
      const heard: unknown[] = [];
      const server = new Server();
      servers.push(server);
      const port = await server.listenTcp('127.0.0.1:0', {
        credentials: evil,
        other: { name: 'nsm-join/1', serve: (socket) => socket.on('data', (data) => heard.push(data)) },
      });
      expect(await refusal(joinWith('victim', tokenFor(), `127.0.0.1:${port}`))).toMatch(
        /^untrusted: .*not of the mesh that the token is for/,
      );
      expect(heard).toEqual([]);
    });

    it('guess as they like, are not heard for long', async () => {
      const address = await serve(await credentialsOf('node-a'));
      const wrong = `${tokenFor().slice(0, -10)}${'x'.repeat(10)}`;
      const heard: string[] = [];
      for (let tries = 0; tries < 12; tries++) heard.push(await refusal(joinWith('guess', wrong, address)));
      expect(heard.at(-1)).toMatch(/too many attempts/);
    });
  });
});
