// The cable of tap-wire.ts: a TAP device in each of two namespaces, and every frame of the one goes to the other as its bytes.
import { libc, openNamespace, openTap, Poller } from '@nsm/netlink';

const [device = '', ...namespaces] = process.argv.slice(2);
/** In one turn, so that both ways have theirs. */
const budget = 256;

const [one, other] = namespaces.map((name) => {
  using namespace = openNamespace(name);
  return openTap({ kind: 'tap', name: device, namespace }).fd;
});
if (one === undefined || other === undefined) throw new Error('a cable has two ends');
const poller = new Poller();
const frame = Buffer.allocUnsafeSlow(65_536);
const join = (from: number, to: number): void => {
  poller.watch(from, () => {
    for (let n = 0; n < budget; n++) {
      const length = libc.read(from, frame, frame.length);
      if (length <= 0) return;
      // One that is down takes nothing, as an adapter.
      libc.write(to, frame, length);
    }
  });
};
join(one, other);
join(other, one);
process.stdout.write('laid\n');
