// How this manager reaches the others, found out by calling each of them: for `nsm check`.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type admin, NsmError, type registry as reg } from '@nsm/api';
import { timing } from '../connection/timing.js';
import type { ServiceComponents } from './components.js';

type PeerCheck = MessageInitShape<typeof admin.PeerCheckSchema>;
type Reached = Partial<Pick<admin.PeerCheck, 'version' | 'roundTripMs' | 'clockAheadMs' | 'error' | 'code'>>;
type Offered = Partial<Pick<admin.PeerCheck, 'remote' | 'tunnels' | 'obstacles'>>;

/** Managers that are called at the same time. */
const atOnce = 16;

/** Each other manager as soon as it is known how it is reached; those that said that they stopped are left out. */
export async function* checkPeers(components: ServiceComponents): AsyncGenerator<PeerCheck> {
  const others = [...components.registry.managers().values()].filter(
    ({ name, stopped }) => name !== components.self.name && !stopped,
  );
  const underWay = new Map<string, Promise<PeerCheck>>();
  for (const other of others) {
    underWay.set(other.name, checkPeer(components, other));
    if (underWay.size >= atOnce) yield await first(underWay);
  }
  while (underWay.size > 0) yield await first(underWay);
}

async function first(underWay: Map<string, Promise<PeerCheck>>): Promise<PeerCheck> {
  const done = await Promise.race(underWay.values());
  underWay.delete(done.manager ?? '');
  return done;
}

async function checkPeer(components: ServiceComponents, other: reg.Manager): Promise<PeerCheck> {
  const [reached, offered] = await Promise.all([reach(components, other), offer(components, other)]);
  return { manager: other.name, address: other.address, ...offered, ...reached };
}

/** Milliseconds, longer than a channel waits after a connection that failed: until it tries again it tells of that one. */
const untilTriedAgainMs = 600;

/** The second call is timed: the first may have to make the connection. */
async function reach(
  { peers, self, clock, stopping }: ServiceComponents,
  { name, address }: reg.Manager,
): Promise<Reached> {
  const call = () => peers.check({ manager: name, address }, self.name, [], timing.callAnswerMs);
  try {
    await call().catch(async (thrown: unknown) => {
      if (NsmError.from(thrown).kind !== 'unavailable') throw thrown;
      await clock.sleep(untilTriedAgainMs, stopping);
      await call();
    });
    const [startedAt, started] = [Date.now(), performance.now()];
    const { version, time } = await call();
    const roundTripMs = performance.now() - started;
    if (!time) return { version, roundTripMs };
    return { version, roundTripMs, clockAheadMs: timestampMs(time) - startedAt - roundTripMs / 2 };
  } catch (thrown) {
    const error = NsmError.from(thrown);
    // A manager that knows only the specification has answered by that.
    return error.kind === 'unimplemented' ? {} : { error: error.message, code: error.code };
  }
}

async function offer({ peers, offers }: ServiceComponents, { name, address }: reg.Manager): Promise<Offered> {
  try {
    const remote = await peers.resolve(name, address);
    return { remote, ...(await offers.to(remote)) };
  } catch {
    // The forwarder is away, or nothing leads there: checks of their own say so.
    return {};
  }
}
