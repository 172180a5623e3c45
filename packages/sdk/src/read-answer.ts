// What an application's onConnect gave, read into an answer: JavaScript lets it be anything, and says so in words of its own.
import { inspect } from 'node:util';
import { NsmError } from '@nsm/api';

/** What an endpoint gives to a connection; all of it may be left to the manager. */
export interface EndpointAnswer {
  /** The client's addresses with prefix length. Default: the manager allocates from the prefixes. */
  readonly addresses?: readonly string[] | undefined;
  /** Prefixes that the client reaches through the endpoint. */
  readonly routes?: readonly string[] | undefined;
  readonly dns?:
    | { readonly servers?: readonly string[]; readonly searchDomains?: readonly string[] }
    | undefined;
  /** The endpoint's own addresses on this connection, with prefix length. */
  readonly endpointAddresses?: readonly string[] | undefined;
  /** Prefixes that the endpoint reaches through the client. */
  readonly endpointRoutes?: readonly string[] | undefined;
  /** The addresses by which the client reaches the endpoint, without prefix length, where they are not this connection's. */
  readonly peerAddresses?: readonly string[] | undefined;
  /** Largest packet for this connection, bytes; what does not fit through is reduced to what does. Default: the request's. */
  readonly mtu?: number | undefined;
  /** Why the connection is refused; not remembered, so that the same client can be accepted later. */
  readonly refuse?: string | undefined;
}

interface FieldType {
  /** Ends "must be …". */
  readonly expected: string;
  /** A copy, so that what was looked at is what is sent; undefined where it is something else. */
  read(value: unknown, field: string): unknown;
}

const text: FieldType = {
  expected: 'a string',
  // Half a character of UTF-16 cannot be sent.
  read: (value) => (typeof value === 'string' && !/\p{Surrogate}/u.test(value) ? value : undefined),
};

/** Bytes; what a field of the wire holds. What an MTU can be is the manager's to say. */
const bytes: FieldType = {
  expected: 'a whole number of bytes, such as 1400',
  read: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32 ? value : undefined,
};

const texts = (example: string): FieldType => ({
  expected: `an array of strings, such as ["${example}"]`,
  read(value, field) {
    if (!Array.isArray(value)) return undefined;
    const copy: unknown[] = [];
    for (let at = 0; at < value.length; at++) copy.push(readField(`${field}[${at}]`, value[at], text));
    return copy;
  },
});

const fields = (of: Readonly<Record<string, FieldType>>, expected: string): FieldType => ({
  expected,
  read(value, path) {
    // Neither an array nor a Map, a Date, or a promise.
    if (Object.prototype.toString.call(value) !== '[object Object]') return undefined;
    const given = value as Readonly<Record<string, unknown>>;
    const unknown = Object.keys(given).find((name) => !Object.hasOwn(of, name));
    const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
    if (unknown !== undefined)
      throw unusable(
        `${at(printed(unknown, true))} is no field; known: ${Object.keys(of).map(at).join(', ')}`,
      );
    return Object.fromEntries(
      Object.entries(of).flatMap(([name, type]) => {
        const one = given[name];
        return one === undefined ? [] : [[name, readField(at(name), one, type)]];
      }),
    );
  },
});

const answer = fields(
  {
    addresses: texts('10.60.1.1/31'),
    routes: texts('10.99.0.0/16'),
    dns: fields(
      { servers: texts('10.99.0.53'), searchDomains: texts('example.org') },
      'an object such as { servers: ["10.99.0.53"] }',
    ),
    endpointAddresses: texts('10.60.1.0/31'),
    endpointRoutes: texts('10.98.0.0/16'),
    peerAddresses: texts('10.60.1.0'),
    mtu: bytes,
    refuse: text,
  } satisfies Record<keyof EndpointAnswer, FieldType>,
  'an object such as { routes: ["10.99.0.0/16"] }, or undefined',
);

/**
 * Null is an answer without fields.
 * @throws NsmError `endpoint-refused`: which field is what, and what it must be.
 */
export function readAnswer(given: unknown): EndpointAnswer {
  if (given === undefined || given === null) return {};
  try {
    return readField('', given, answer) as EndpointAnswer;
  } catch (thrown) {
    if (thrown instanceof NsmError) throw thrown;
    // A getter, or a proxy, that throws.
    throw new NsmError('endpoint-refused', `${subject} cannot be read: ${printed(given)}`, thrown);
  }
}

function readField(field: string, value: unknown, type: FieldType): unknown {
  const read = type.read(value, field);
  if (read !== undefined) return read;
  throw unusable(`${field === '' ? 'it' : field} is ${printed(value)}; it must be ${type.expected}`);
}

const subject = 'the answer of its onConnect';

function unusable(why: string): NsmError {
  return new NsmError('endpoint-refused', `${subject} cannot be used: ${why}`);
}

/** In one short line, without running any code of the value's. */
function printed(value: unknown, bare = false): string {
  const shown =
    bare && typeof value === 'string' && /^\w{1,64}$/.test(value)
      ? value
      : inspect(value, {
          depth: 1,
          maxArrayLength: 4,
          maxStringLength: 64,
          breakLength: Number.POSITIVE_INFINITY,
          customInspect: false,
        });
  return shown.length > 120 ? `${shown.slice(0, 120).replace(/\p{Surrogate}$/u, '')}…` : shown;
}
