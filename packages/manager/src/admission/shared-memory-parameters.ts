// Interface parameters of pods that are attached by shared memory: what each side may wish for, and what both are told.
import { randomBytes } from 'node:crypto';
import { type Interface, type InterfaceType, NsmError, type NumberParameter, traitsOf } from '@nsm/api';

const memId: NumberParameter = { fallback: 0, lowest: 0, highest: 0xffff_ffff, powerOfTwo: false };
/** Characters of a memif secret that every implementation takes: one of the 24 bytes may end it. */
const maxSecret = 23;
/** Bytes of a memif's memory, which our own peer takes at most; and what a buffer takes beside itself, rounded up. */
const maxMemory = 2 ** 30;
const perBuffer = 64;

/** @throws NsmError `invalid` for wishes that cannot be. */
export function admitSharedMemory(wish: Interface): void {
  if (traitsOf(wish.type).sharedMemory) agreeOnMemory(wish.type, [wish], false);
}

/**
 * What both ends of a shared memory are told: of every number the smallest wish, and of a memif its id and secret as the
 * first asks who asks for any.
 * @param joined one of the ends is our own, which has one ring each way.
 * @throws NsmError `invalid`
 */
export function agreeOnMemory(
  type: InterfaceType,
  heard: readonly Interface[],
  joined: boolean,
): Record<string, string> {
  const said = (name: string): string[] =>
    heard
      .filter((one) => one.type === type)
      .map((one) => one.parameters?.interfaceParameters[name] ?? '')
      .filter((text) => text !== '');
  const { protocol, parameters = {} } = traitsOf(type).sharedMemory ?? {};
  const numbers = Object.fromEntries(
    Object.entries(parameters).map(([name, limit]) => {
      const wishes = said(name).map((text) => admit(name, text, limit));
      return [name, wishes.length > 0 ? Math.min(...wishes) : limit.fallback];
    }),
  );
  if (protocol !== 'memif') return texts(numbers);
  if (joined) numbers.rings = 1;
  const { ring_size: size = 0, rings = 0, buffer_size: bytes = 0 } = numbers;
  if (2 * rings * size * (bytes + perBuffer) > maxMemory)
    throw new NsmError(
      'invalid',
      `interface parameters rings ${rings}, ring_size ${size} and buffer_size ${bytes} make a memory of more than 1 GiB`,
    );
  const [secret = randomBytes(8).toString('hex')] = said('secret');
  if (Buffer.byteLength(secret) > maxSecret)
    throw new NsmError('invalid', `interface parameter secret is longer than ${maxSecret} bytes`);
  const [id = '0'] = said('id');
  return { ...texts(numbers), secret, id: String(admit('id', id, memId)) };
}

function texts(numbers: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value)]));
}

function admit(name: string, text: string, { lowest, highest, powerOfTwo }: NumberParameter): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= lowest && value <= highest && (!powerOfTwo || Number.isInteger(Math.log2(value))))
    return value;
  throw new NsmError(
    'invalid',
    `interface parameter ${name} ${JSON.stringify(text.slice(0, 64))} must be ${powerOfTwo ? 'a power of two ' : ''}from ${lowest} to ${highest}`,
  );
}
