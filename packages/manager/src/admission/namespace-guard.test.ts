// Which network namespaces there are beside its own no pod hears, by whatever name it asks.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, NsmError, type PeerCredentials } from '@nsm/api';
import { expect, it } from 'vitest';
import { NamespaceGuard } from './namespace-guard.js';

const inodes: Readonly<Record<string, number>> = {
  red: 41,
  'net:[41]': 41,
  '/proc/7/ns/net': 41,
  own: 42,
  '42': 42,
};
const guard = (known = inodes): NamespaceGuard =>
  new NamespaceGuard(
    {
      inspectNamespace: async ({ linuxNamespace = '' }) => {
        const inode = known[linuxNamespace];
        if (inode === undefined) throw new NsmError('namespace-unknown', `${linuxNamespace} does not exist`);
        return create(fw.InspectNamespaceReplySchema, { namespace: { inode, cookie: BigInt(inode) } });
      },
    },
    { allowedUids: [1], own: { inode: 1, cookie: 1n } },
    () => 0,
  );
const pod: PeerCredentials = { pid: 9, uid: 61_001, gid: 61_001, namespace: { inode: 42, cookie: 42n } };
const error = async (answer: Promise<unknown>): Promise<NsmError> =>
  NsmError.from(
    await answer.then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
  );

it.each([
  ['red', 'blue'],
  ['net:[41]', 'net:[40]'],
  ['/proc/7/ns/net', '/proc/8/ns/net'],
])('of %s a pod hears what it hears of %s, which is not there', async (there, not) => {
  for (const admit of ['admitClient', 'admitEndpoint'] as const) {
    const [foreign, unknown] = [
      await error(guard()[admit](there, pod)),
      await error(guard()[admit](not, pod)),
    ];
    expect(foreign.kind).toBe('namespace-foreign');
    expect(foreign.message).not.toContain('inode 41');
    expect([foreign.kind, foreign.message]).toEqual([unknown.kind, unknown.message.replace(not, there)]);
  }
});

it('a pod names its own as it likes, and is told why that cannot be found', async () => {
  for (const name of ['own', '/proc/self/ns/net', '42'])
    expect(await guard().admitClient(name, pod)).toMatchObject({ inode: 42 });
  for (const name of ['/proc/self/ns/net', '42', 'net:[42]'])
    expect(await error(guard({}).admitClient(name, pod))).toMatchObject({ kind: 'namespace-unknown' });
});

it('who speaks for others is told what is not there', async () => {
  const agent = { ...pod, uid: 1 };
  expect(await guard().admitClient('red', agent)).toMatchObject({ inode: 41 });
  expect(await error(guard().admitClient('blue', agent))).toMatchObject({ kind: 'namespace-unknown' });
});
