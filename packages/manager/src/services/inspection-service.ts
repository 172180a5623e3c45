// nsmproxy.HalfInspection on TCP: what the manager of the other half of a connection may see of this one.
import { NsmError, type proxy, type ServiceImplementation } from '@nsm/api';
import { callingManager } from '../admission/calling-manager.js';
import { captureHalf } from '../looking/capture.js';
import { sharedHalf } from '../looking/halves.js';
import { quote } from '../untrusted-text.js';
import type { ServiceComponents } from './components.js';

/** Captures at a time for one manager, and for all others together: the operators of this node are to find room for their own. */
const most = { ofOne: 2, ofAll: 4 } as const;

export function inspectionService(
  components: ServiceComponents,
): ServiceImplementation<typeof proxy.HalfInspection> {
  const running: string[] = [];
  return {
    async *captureHalf({ half, places, filter, snapLength }, context) {
      const caller = callingManager(components, context, half?.managerName ?? '');
      const own = sharedHalf(components, caller, {
        connectionId: half?.connectionId ?? '',
        halfId: half?.halfId ?? '',
      });
      if (running.length >= most.ofAll || running.filter((name) => name === caller.name).length >= most.ofOne)
        throw new NsmError(
          'overload',
          'enough captures are running here for other managers: end one of them',
        );
      running.push(caller.name);
      try {
        components.logger.info(
          { connection: own.id, places },
          `packets are captured for manager ${quote(caller.name)}`,
        );
        yield* captureHalf(components, own, { places, filter, snapLength }, context.signal);
      } finally {
        running.splice(running.indexOf(caller.name), 1);
      }
    },
  };
}
