// Whom an operator means by --from, and what is known of that pod.
import { create } from '@bufbuild/protobuf';
import { type forwarder as fw, KubernetesPodSchema, NsmError, SubjectSchema } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { Subjects } from '../policy/subjects.js';
import { whoAsks } from './who-asks.js';

const pod = { uid: 'any', facts: create(KubernetesPodSchema, { namespace: 'shop', name: 'cart' }) };
const asked: string[] = [];
const components = (kubernetes = true): Parameters<typeof whoAsks>[0] => {
  const pods = {
    named: (name: string) => {
      const inode = { 'shop/cart': 42, 'shop/starting': 0 }[name];
      return inode === undefined ? undefined : { inode, uid: 1000, gid: 2000 };
    },
    podIn: (inode: number) => (inode === 42 ? pod : undefined),
  };
  return {
    forwarder: {
      inspectNamespace: async ({ linuxNamespace = '' }: { linuxNamespace?: string }) => {
        asked.push(linuxNamespace);
        if (linuxNamespace === 'cart') throw new NsmError('namespace-unknown', 'there is no cart');
        return {
          namespace: { inode: 42, cookie: 7n },
          pidInode: 0,
          interfaces: ['lo', 'eth0'],
        } as unknown as fw.InspectNamespaceReply;
      },
    } as never,
    pods: kubernetes ? (pods as never) : undefined,
    subjects: new Subjects({
      self: { name: 'node-a', domain: '' },
      guard: { speaksForOthers: () => false },
      source: { policy: undefined },
      pods: kubernetes ? pods : undefined,
    }),
  };
};

describe('who asks', () => {
  it('is a pod of this node by its name, with what Kubernetes knows of it', async () => {
    const { client, namespace, interfaceNames } = await whoAsks(components(), 'shop/cart');
    expect(asked.pop()).toBe('42');
    expect(client).toMatchObject({
      inode: 42,
      uid: 1000,
      gid: 2000,
      manager: 'node-a',
      kubernetes: { namespace: 'shop', name: 'cart' },
    });
    expect([namespace.inode, interfaceNames]).toEqual([42, ['lo', 'eth0']]);
  });

  it('is told of names of pods, where there are pods and the name is that of no network namespace', async () => {
    const named = 'there is no cart; a pod of this node is named NAMESPACE/NAME';
    await expect(whoAsks(components(), 'cart')).rejects.toThrow(named);
    await expect(whoAsks(components(false), 'cart')).rejects.toThrow(/^there is no cart$/);
  });

  it('is a network namespace by a name or a path, and whatever is said of it goes before what is known', async () => {
    for (const from of ['red', '/run/netns/red', '42']) {
      await whoAsks(components(false), from);
      expect(asked.pop()).toBe(from);
    }
    const said = create(SubjectSchema, { uid: 61001, gid: 61001, labels: { tenant: 'red' } });
    const { client } = await whoAsks(components(false), 'red', said);
    expect(client).toMatchObject({ uid: 61001, trusted: false, labels: { tenant: 'red' }, inode: 42 });
  });

  it.each([
    ['shop/gone', true, 'pod "shop/gone" is not known on this node: ask the manager of its node'],
    ['shop/starting', true, 'pod "shop/starting" has no network namespace of its own, or none yet'],
    ['shop/cart', false, 'pod "shop/cart" is not known on this node, whose manager runs without Kubernetes'],
  ])('is nobody: %s, with Kubernetes %s', async (from, kubernetes, message) => {
    await expect(whoAsks(components(kubernetes), from)).rejects.toThrow(message);
  });
});
