// The ends of pods' namespaces, each told of once, also where another namespace has got the id of one that has just gone.
import { NetlinkError } from '@nsm/netlink';
import { leaks, makeNamespace, requireRoot, type TestNamespace, waitFor, withNamespaces } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { NodeWatch } from './node-watch.js';
import { namespaceCookie, type OpenPort } from './port/open-port.js';

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('watching a node'))('the end of a namespace', () => {
  it('is not taken for that of another with the same id', { timeout: 10_000 }, () =>
    withNamespaces(['node'], async (node) => {
      let watch: NodeWatch | undefined;
      node.namespace.run(() => {
        watch = new NodeWatch(node.route);
      });
      const told: bigint[] = [];
      const reading = (async () => {
        for await (const { event } of watch!.events(new AbortController().signal))
          if (event?.case === 'namespaceGone') told.push(event.value.cookie ?? 0n);
      })();
      const follow = ({ namespace, route }: TestNamespace): bigint => {
        watch?.follow('x', { namespace, socket: route } as unknown as OpenPort);
        return namespaceCookie(route);
      };
      const one = makeNamespace('one');
      const first = follow(one);
      const id = node.route.namespaceId(one.namespace);
      one.remove();
      // Nothing that the kernel tells is read before the other one has the id.
      using other = makeNamespace('other');
      for (let given = false; !given; )
        try {
          given = node.route.setNamespaceId(other.namespace, id) === id;
        } catch (error) {
          if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error;
        }
      const second = follow(other);
      await waitFor(() => told.length > 0, { what: 'the end of the first' });
      // All that the kernel had told before is read by then.
      const third = makeNamespace('third');
      const last = follow(third);
      third.remove();
      await waitFor(() => told.includes(last), { what: 'the end of the third' });
      expect(told).toEqual([first, last]);
      other.remove();
      await waitFor(() => told.includes(second), { what: 'the end of the second' });
      watch?.stop();
      await reading.catch(() => undefined);
    }),
  );
});
