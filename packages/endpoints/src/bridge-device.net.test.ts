// Which devices a bridge takes in, and which no more.
import { leaks, makeNamespace, requireRoot, type TestNamespace, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BridgeDevice } from './bridge-device.js';

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('bridge device'))('a bridge device', () => {
  let namespace: TestNamespace;
  let bridge: BridgeDevice;
  beforeEach(() => {
    namespace = makeNamespace('bridge');
    namespace.namespace.run(() => {
      bridge = new BridgeDevice({ name: 'members', mtu: 1400, addresses: ['10.70.0.1/24'] });
    });
  });
  afterEach(() => {
    bridge[Symbol.dispose]();
    namespace.remove();
  });

  const appears = (name: string): void =>
    namespace.route.addLink({ kind: 'veth', name, peer: { name: `${name}-peer` } });
  const isMember = (name: string): boolean =>
    namespace.route.link(name)?.master === namespace.route.link('members')?.index;

  it('takes in the device that a client has now, by no earlier name', async () => {
    bridge.expect('client', 'former');
    bridge.expect('client', 'now');
    // The end of what was before says nothing of what is now.
    bridge.forget('client', 'former');
    appears('former');
    appears('now');
    await waitFor(() => isMember('now'), { what: 'the member' });
    expect(isMember('former')).toBe(false);
  });

  it('takes in what is there already, and again when it has been taken away', async () => {
    appears('early');
    bridge.expect('client', 'early');
    expect(isMember('early')).toBe(true);
    namespace.route.setLink('early', { master: 0 });
    await waitFor(() => isMember('early'), { what: 'the member again' });
    bridge.forget('client', 'early');
    namespace.route.setLink('early', { master: 0 });
    expect(isMember('early')).toBe(false);
  });
});
