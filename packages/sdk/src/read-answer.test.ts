// What onConnect gives: an answer, or refused with field, value and expected type, to the client and in the endpoint's log.
import { Channel, endpoint, NsmError } from '@nsm/api';
import { thorough } from '@nsm/testkit';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type EndpointAnswer, serve } from './index.js';
import { ManagerSide } from './manager-side.test.support.js';
import { readAnswer } from './read-answer.js';

const cannot = 'the answer of its onConnect cannot be used';
const array = 'it must be an array of strings, such as';

const wrongAnswers: readonly (readonly [given: unknown, why: string])[] = [
  ['hello', `it is 'hello'; it must be an object such as { routes: ["10.99.0.0/16"] }, or undefined`],
  [5, 'it is 5; it must be an object'],
  [[1], 'it is [ 1 ]; it must be an object'],
  [true, 'it is true; it must be an object'],
  [() => ({}), 'it is [Function (anonymous)]; it must be an object'],
  [new Map([['routes', []]]), `it is Map(1) { 'routes' => [] }; it must be an object`],
  [{ routes: null }, `routes is null; ${array} ["10.99.0.0/16"]`],
  [{ routes: '10.99.0.0/16' }, `routes is '10.99.0.0/16'; ${array} ["10.99.0.0/16"]`],
  [{ routes: ['10.99.0.0/16', 7] }, 'routes[1] is 7; it must be a string'],
  [{ routes: new Array(2) }, 'routes[0] is undefined; it must be a string'],
  [{ routes: Promise.resolve(['10.99.0.0/16']) }, `routes is Promise { [ '10.99.0.0/16' ] }; ${array}`],
  [{ route: ['10.99.0.0/16'] }, 'route is no field; known: addresses, routes, dns, endpointAddresses'],
  [{ addresses: {} }, `addresses is {}; ${array} ["10.60.1.1/31"]`],
  [{ addresses: ['\ud800'] }, `addresses[0] is '\\ud800'; it must be a string`],
  [{ mtu: Number.NaN }, 'mtu is NaN; it must be a whole number of bytes, such as 1400'],
  [{ mtu: -5 }, 'mtu is -5; it must be'],
  [{ mtu: 1.5 }, 'mtu is 1.5; it must be'],
  [{ mtu: 2 ** 32 }, 'mtu is 4294967296; it must be'],
  [{ mtu: '1400' }, `mtu is '1400'; it must be`],
  [{ mtu: 1400n }, 'mtu is 1400n; it must be'],
  [{ dns: null }, 'dns is null; it must be an object such as { servers: ["10.99.0.53"] }'],
  [{ dns: ['10.99.0.53'] }, `dns is [ '10.99.0.53' ]; it must be an object`],
  [{ dns: { servers: '10.99.0.53' } }, `dns.servers is '10.99.0.53'; ${array} ["10.99.0.53"]`],
  [{ dns: { search: [] } }, 'dns.search is no field; known: dns.servers, dns.searchDomains'],
  [{ refuse: false }, 'refuse is false; it must be a string'],
];

/** An endpoint that answers what it is told to, and what its manager and its own log hear of it. */
class Answering implements AsyncDisposable {
  answer: () => unknown = () => undefined;
  readonly failures: NsmError[] = [];
  readonly ended: string[] = [];
  #channel: Channel | undefined;

  async start(): Promise<this> {
    const manager = await new ManagerSide().start();
    const served = await serve({
      service: 'any',
      name: 'any',
      runDir: manager.runDir,
      onConnect: () => this.answer() as EndpointAnswer,
      onFailed: (_, error) => this.failures.push(error),
      onClose: (_, reason) => {
        this.ended.push(reason);
      },
    });
    this.#channel = new Channel(`unix:${served.socket}`);
    this.#stop = async () => {
      this.#channel?.close();
      await served.close();
      await manager[Symbol.asyncDispose]();
    };
    return this;
  }

  #stop = async (): Promise<void> => undefined;

  async ask(requestId: string): Promise<endpoint.EndpointConnectionReply> {
    if (!this.#channel) throw new Error('not started');
    return await this.#channel
      .client(endpoint.EndpointConnection)
      .requestEndpointConnection({ requestId, networkServiceName: 'any' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

describe('an answer', () => {
  it.each(wrongAnswers)('%o is refused in words about it', async (given, why) => {
    await using answering = await new Answering().start();
    for (const answer of [() => given, async () => given]) {
      answering.answer = answer;
      const { admissionError, linuxNamespace } = await answering.ask('pod-1');
      expect(admissionError.startsWith(`${cannot}: ${why}`), admissionError).toBe(true);
      expect(linuxNamespace).not.toBe('');
      expect(answering.failures.splice(0)).toMatchObject([{ code: 'NSM0204', message: admissionError }]);
      expect(answering.ended.splice(0)).toEqual([`${admissionError} (NSM0204)`]);
    }
    // The same client is served as soon as the endpoint knows better.
    answering.answer = () => ({ routes: ['10.99.0.0/16'], mtu: 1400 });
    expect(await answering.ask('pod-1')).toMatchObject({
      admissionError: '',
      clientParameters: { route: ['10.99.0.0/16'], mtu: 1400 },
    });
  });

  it('is told on stderr where nobody else listens', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    await using manager = await new ManagerSide().start();
    const onConnect = () => ({ routes: null }) as unknown as EndpointAnswer;
    await using served = await serve({ service: 'any', name: 'any', runDir: manager.runDir, onConnect });
    using channel = new Channel(`unix:${served.socket}`);
    await channel
      .client(endpoint.EndpointConnection)
      .requestEndpointConnection({ requestId: 'pod-1', networkServiceName: 'any' });
    expect(printed.mock.calls.join()).toBe(
      `nsm: no connection for pod-1 to any: ${cannot}: routes is null; ${array} ["10.99.0.0/16"] (NSM0204)`,
    );
    printed.mockRestore();
  });

  it('may be nothing, or a refusal, also one without words', async () => {
    await using answering = await new Answering().start();
    for (const nothing of [undefined, null, {}]) {
      answering.answer = () => nothing;
      expect(await answering.ask('pod-1')).toMatchObject({ admissionError: '' });
    }
    const thrown: readonly (readonly [unknown, string])[] = [
      [new Error('only gold'), 'only gold'],
      [new Error(''), 'without a reason'],
      [Object.create(null), '[Object: null prototype] {}'],
      [Symbol('no'), 'Symbol(no)'],
    ];
    for (const [at, [reason, words]] of thrown.entries()) {
      answering.answer = () => {
        throw reason;
      };
      expect(await answering.ask(`pod-${at + 2}`)).toMatchObject({ admissionError: words });
    }
  });

  it('whatever it is, is read or refused, never in words of JavaScript', async () => {
    await using answering = await new Answering().start();
    const anything = fc.oneof(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withSparseArray: true,
        withTypedArray: true,
        withNullPrototype: true,
      }),
      fc.constantFrom(
        null,
        Symbol('s'),
        () => [],
        new Proxy(
          {},
          {
            get: () => {
              throw new TypeError('x is not a function');
            },
          },
        ),
        Proxy.revocable({}, {}).proxy,
      ),
      fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.anything())),
    );
    const field = fc.constantFrom(
      'addresses',
      'routes',
      'dns',
      'endpointAddresses',
      'endpointRoutes',
      'peerAddresses',
      'mtu',
      'refuse',
      'other',
    );
    const answers = fc.oneof(
      anything,
      fc.dictionary(field, anything, { maxKeys: 3 }),
      fc.record({ dns: fc.dictionary(fc.constantFrom('servers', 'searchDomains'), anything) }),
    );
    const numRuns = thorough ? 1000 : 200;
    let [number, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(answers, fc.boolean(), async (given, later) => {
        answering.answer = () => (later ? Promise.resolve(given) : given);
        const { admissionError } = await answering.ask(`pod-${number++}`);
        const failures = answering.failures.splice(0);
        if (failures.length === 0) return;
        refused++;
        expect(admissionError).toMatch(
          /^the answer of its onConnect (cannot be used: .+( it must be | is no field)|cannot be read: )/s,
        );
        expect(failures).toMatchObject([{ code: 'NSM0204', message: admissionError }]);
      }),
      { numRuns },
    );
    expect(refused).toBeGreaterThan(0.3 * numRuns);
  });

  it('is what was given, copied', () => {
    const given = { routes: ['10.99.0.0/16'], dns: { servers: ['10.99.0.53'] }, refuse: '', mtu: 0 };
    const read = readAnswer(given);
    expect(read).toEqual(given);
    given.routes.push('x');
    expect(read.routes).toEqual(['10.99.0.0/16']);
  });
});

describe('NsmError.from', () => {
  it('has words for anything that is thrown', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.anything({ withNullPrototype: true }), fc.constant(Object.create(null))),
        (thrown) => {
          const odd = Object.assign(new Error('x'), { message: thrown });
          for (const one of [thrown, odd]) expect(NsmError.from(one).code).toMatch(/^NSM\d{4}$/);
        },
      ),
    );
  });
});
