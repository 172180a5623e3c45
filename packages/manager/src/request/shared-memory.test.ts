// What both sides of a shared memory are told, and what the forwarder is asked for.
import { create } from '@bufbuild/protobuf';
import { type forwarder as fw, type Interface, InterfaceSchema, InterfaceType, NsmError } from '@nsm/api';
import { Courses } from '@nsm/observe';
import { describe, expect, it } from 'vitest';
import type { RequestComponents } from './components.js';
import { placeSockets } from './shared-memory.js';
import { Transaction } from './transaction.js';

const { KERNEL_INTERFACE, MEM_INTERFACE, VHOST_INTERFACE } = InterfaceType;
const wish = (type: InterfaceType, interfaceParameters: Record<string, string> = {}): Interface =>
  create(InterfaceSchema, { type, parameters: { interfaceParameters } });

/** Asks for the sockets of two sides, by users 1001 and 1002. */
async function place(client: Interface, endpoint: Interface, former?: Interface) {
  const asked: unknown[] = [];
  const removed: unknown[] = [];
  const forwarder = {
    placeSockets: async (request: fw.PlaceSocketsRequest) => {
      asked.push(request);
      return { client: '/client.sock', endpoint: '/endpoint.sock' };
    },
    remove: async (request: fw.RemoveRequest) => removed.push(request),
  };
  const transaction = new Transaction(new AbortController().signal, new Courses().begin('connect'));
  const sides = { client: { interface: client, uid: 1001 }, endpoint: { interface: endpoint, uid: 1002 } };
  const placed = await placeSockets(
    { forwarder } as unknown as RequestComponents,
    transaction,
    'id',
    sides,
    former,
  );
  await transaction.rollback(new NsmError('dataplane', 'it is a test'));
  return {
    client: placed.client.parameters?.interfaceParameters ?? {},
    endpoint: placed.endpoint.parameters?.interfaceParameters ?? {},
    asked,
    removed,
  };
}

describe('placeSockets', () => {
  it('tells both sides the same of the memory, and each its socket and role', async () => {
    const { client, endpoint, asked, removed } = await place(
      wish(MEM_INTERFACE, { ring_size: '2048', id: '5', note: 'kept' }),
      wish(MEM_INTERFACE, { ring_size: '512', secret: 'hush' }),
    );
    const memory = { ring_size: '512', rings: '1', buffer_size: '2048', id: '5', secret: 'hush' };
    expect(client).toEqual({ ...memory, note: 'kept', socket: '/client.sock', role: 'client' });
    expect(endpoint).toEqual({ ...memory, socket: '/endpoint.sock', role: 'server' });
    expect(asked).toEqual([
      { id: 'id', client: { type: MEM_INTERFACE, uid: 1001 }, endpoint: { type: MEM_INTERFACE, uid: 1002 } },
    ]);
    expect(removed).toEqual([{ crossConnects: [{ id: 'id' }] }]);
  });

  it('makes up a secret, and keeps what the client had before', async () => {
    const first = await place(wish(MEM_INTERFACE), wish(MEM_INTERFACE));
    const second = await place(wish(MEM_INTERFACE), wish(MEM_INTERFACE));
    expect(first.client.secret).toMatch(/^[0-9a-f]{16}$/);
    expect(first.endpoint.secret).toBe(first.client.secret);
    expect(second.client.secret).not.toBe(first.client.secret);
    const again = await place(wish(MEM_INTERFACE), wish(MEM_INTERFACE), wish(MEM_INTERFACE, first.client));
    expect(again.client).toEqual(first.client);
  });

  it('leaves alone the side that has a device, and asks for nothing where both have one', async () => {
    const mixed = await place(wish(VHOST_INTERFACE), wish(KERNEL_INTERFACE, { name: 'eth9' }));
    expect(mixed.client).toEqual({ ring_size: '256', queues: '1', socket: '/client.sock', role: 'client' });
    expect(mixed.endpoint).toEqual({ name: 'eth9' });
    expect(mixed.asked).toEqual([{ id: 'id', client: { type: VHOST_INTERFACE, uid: 1001 } }]);
    // Our own end of a memif has one ring each way.
    const memif = await place(wish(MEM_INTERFACE, { rings: '4' }), wish(KERNEL_INTERFACE));
    expect(memif.client.rings).toBe('1');
    expect((await place(wish(KERNEL_INTERFACE), wish(KERNEL_INTERFACE))).asked).toEqual([]);
  });

  it.each([
    [{ ring_size: '1000' }, /ring_size "1000" must be a power of two from 64 to 16384/],
    [{ rings: '0' }, /rings "0" must be from 1 to 16/],
    [{ buffer_size: '1e9' }, /buffer_size "1e9"/],
    [{ id: '4294967296' }, /id "4294967296"/],
    [{ secret: 'x'.repeat(24) }, /secret is longer than 23 bytes/],
    [{ ring_size: '16384', buffer_size: '65472' }, /make a memory of more than 1 GiB/],
    [{ ring_size: '16384', buffer_size: '16384', rings: '2' }, /make a memory of more than 1 GiB/],
  ])('refuses %o', async (parameters, expected) => {
    await expect(place(wish(MEM_INTERFACE, parameters), wish(MEM_INTERFACE))).rejects.toThrow(expected);
  });
});
