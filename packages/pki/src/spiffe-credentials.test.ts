// Certificates by the SPIFFE Workload API, of a stand-in for its agent: SPIRE's own is not here.
import { createPublicKey } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Channel, type Credentials, type NsmError, proxy, Server, spiffe } from '@nsm/api';
import { waitFor } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Authority } from './authority.js';
import { newKey } from './certificate.js';
import { SpiffeCredentials } from './spiffe-credentials.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const ownerOf = (name: string) => ({ kind: 'manager', name }) as const;

type Response = MessageInitShape<typeof spiffe.X509SVIDResponseSchema>;

/** One identity of an authority, and what else is trusted. */
function responseOf(authority: Authority, name: string, federated: readonly Authority[] = []): Response {
  const key = newKey();
  return {
    svids: [
      {
        spiffeId: `spiffe://${authority.domain}/manager/${name}`,
        x509Svid: authority.issue(createPublicKey(key), ownerOf(name), 3_600_000).raw,
        x509SvidKey: key.export({ type: 'pkcs8', format: 'der' }),
        bundle: authority.certificate.raw,
      },
    ],
    federatedBundles: Object.fromEntries(
      federated.map(({ domain, certificate }) => [`spiffe://${domain}`, certificate.raw]),
    ),
  };
}

/** Streams what it has, and again whenever that changes. */
class Agent {
  readonly #server = new Server();
  #response: Response;
  readonly #events = new EventEmitter();

  constructor(response: Response) {
    this.#response = response;
    const agent = this;
    this.#server.add(spiffe.SpiffeWorkloadAPI, {
      async *fetchX509SVID(_request, { signal }) {
        while (!signal.aborted) {
          const changed = once(agent.#events, 'changed', { signal });
          yield agent.#response;
          await changed;
        }
      },
    });
  }

  async start(path: string): Promise<this> {
    await this.#server.listenUnix(path);
    return this;
  }

  give(response: Response): void {
    this.#response = response;
    this.#events.emit('changed');
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }
}

describe('the Workload API', () => {
  let folder: string;
  const agents: Agent[] = [];
  const opened: SpiffeCredentials[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-spiffe-'));
  });
  afterEach(async () => {
    for (const credentials of opened.splice(0)) credentials[Symbol.dispose]();
    for (const agent of agents.splice(0)) await agent.stop();
    rmSync(folder, { recursive: true });
  });

  const start = async (file: string, response: Response): Promise<Agent> => {
    const agent = await new Agent(response).start(join(folder, file));
    agents.push(agent);
    return agent;
  };
  const open = async (file: string, name: string): Promise<SpiffeCredentials> => {
    const credentials = await SpiffeCredentials.open(join(folder, file), ownerOf(name), silent);
    opened.push(credentials);
    return credentials;
  };
  const identityOf = ({ current }: Credentials) => `${current.identity.domain}/${current.identity.name}`;

  it('gives each new certificate by itself, also when its agent has come back', async () => {
    const authority = Authority.inMemory('one.example');
    const agent = await start('a', responseOf(authority, 'node-a'));
    const credentials = await open('a', 'node-a');
    expect(identityOf(credentials)).toBe('one.example/node-a');
    const first = credentials.current;
    agent.give(responseOf(authority, 'node-a'));
    await waitFor(() => credentials.current !== first);
    const second = credentials.current;
    // Another's identity changes nothing.
    agent.give(responseOf(authority, 'node-x'));
    await agent.stop();
    expect(credentials.current).toBe(second);
    const next = Authority.inMemory('one.example');
    await start('a', responseOf(next, 'node-a'));
    await waitFor(() => credentials.current !== second);
    expect(credentials.current.authorities.get('one.example')?.[0]?.raw).toEqual(next.certificate.raw);
  });

  describe('with trust domains that know each other', () => {
    const [one, two] = [Authority.inMemory('one.example'), Authority.inMemory('two.example')];
    const nobody = { domain: '', kind: '', name: '' };
    let server: Server;
    let port: number;

    const serve = async (credentials: Credentials): Promise<void> => {
      server = new Server();
      server.add(proxy.ProxyConnection, {
        requestProxyConnection: async () => ({}),
        closeProxyConnection: async () => ({}),
        planProxyConnection: async () => ({}),
        moveConnection: async () => ({}),
        checkConnections: async (_request, { identity: { domain, name } = nobody }) => ({
          incarnation: `${domain}/${name}`,
        }),
      });
      port = await server.listenTcp('127.0.0.1:0', { credentials });
    };
    const call = async (credentials: Credentials, domain?: string): Promise<string> => {
      const expected = { ...ownerOf('node-b'), ...(domain ? { domain } : {}) };
      using channel = new Channel(`127.0.0.1:${port}`, { credentials, expected });
      const client = channel.client(proxy.ProxyConnection);
      return await client.checkConnections({}, { timeoutMs: 3000 }).then(
        ({ incarnation }) => incarnation,
        ({ kind }: NsmError) => kind,
      );
    };
    afterEach(() => server.stop());

    it('says of each caller which domain it is of, and is believed under its own alone', async () => {
      await start('a', responseOf(one, 'node-a', [two]));
      await start('b', responseOf(two, 'node-b', [one]));
      const [caller, called] = [await open('a', 'node-a'), await open('b', 'node-b')];
      await serve(called);
      expect(await call(caller, 'two.example')).toBe('one.example/node-a');
      expect(await call(caller)).toBe('untrusted');
    });

    it('refuses a domain that it does not know', async () => {
      await start('a', responseOf(one, 'node-a', [two]));
      const agent = await start('b', responseOf(two, 'node-b'));
      const [caller, called] = [await open('a', 'node-a'), await open('b', 'node-b')];
      await serve(called);
      expect(await call(caller, 'two.example')).toBe('untrusted');
      agent.give(responseOf(two, 'node-b', [one]));
      await waitFor(() => called.current.authorities.size === 2);
      expect(await call(caller, 'two.example')).toBe('one.example/node-a');
    });
  });
});
