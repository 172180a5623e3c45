// nsmproxy.HalfInspection on TCP: what the manager of the other half of a connection may see of this one.
import { type CallContext, NsmError, type proxy, type ServiceImplementation } from '@nsm/api';
import { callingManager } from '../admission/calling-manager.js';
import { answerBench } from '../inspection/bench.js';
import { captureHalf, knownPlaces } from '../inspection/capture.js';
import { sharedHalf } from '../inspection/halves.js';
import { observeHere } from '../inspection/observe-drops.js';
import type { Connection } from '../state/connection.js';
import { quote } from '../untrusted-text.js';
import type { ServiceComponents } from './components.js';

/** At a time for one manager, and for all others together: the operators of this node are to find room for their own captures. */
const most = { ofOne: 2, ofAll: 4 } as const;

export function inspectionService(
  components: ServiceComponents,
): ServiceImplementation<typeof proxy.HalfInspection> {
  const captures = new Places();
  const observations = new Places();
  const ownHalf = (half: proxy.OtherHalf | undefined, context: CallContext): Asked => {
    const { managerName = '', connectionId = '', halfId = '' } = half ?? {};
    const caller = callingManager(components, context, managerName);
    return { manager: caller.name, own: sharedHalf(components, caller, { connectionId, halfId }) };
  };
  return {
    async *captureHalf({ half, places: asked, filter, snapLength }, context) {
      const { manager, own } = ownHalf(half, context);
      const places = knownPlaces(asked);
      using _place = captures.take(manager);
      components.logger.info(
        { connection: own.id, places },
        `packets are captured for manager ${quote(manager)}`,
      );
      yield* captureHalf(components, own, { places, filter, snapLength }, context.signal);
    },

    async observeHalf({ half, durationMs }, context) {
      const { manager, own } = ownHalf(half, context);
      using _place = observations.take(manager);
      return await observeHere(components, own, durationMs, context.signal);
    },

    async *serveBench({ half, durationMs, secret }, context) {
      const { manager, own } = ownHalf(half, context);
      using _place = observations.take(manager);
      components.logger.info({ connection: own.id }, `manager ${quote(manager)} measures what passes`);
      yield* answerBench(components, own, { durationMs, secret }, context.signal);
    },
  };
}

interface Asked {
  readonly manager: string;
  readonly own: Connection;
}

class Places {
  readonly #taken: string[] = [];

  /** @throws NsmError `overload` */
  take(manager: string): Disposable {
    const own = this.#taken.filter((name) => name === manager).length;
    if (own >= most.ofOne || this.#taken.length >= most.ofAll)
      throw new NsmError('overload', 'enough of this is running here for other managers: end one, or wait');
    this.#taken.push(manager);
    return { [Symbol.dispose]: () => void this.#taken.splice(this.#taken.indexOf(manager), 1) };
  }
}
