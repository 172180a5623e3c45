// What the forwarder of this node can do. The forwarder is asked at the start, and again when it comes back: another forwarder may answer then.
import { type InterfaceType, interfaceTypeName, tunnelName } from '@nsm/api';
import type { Logger } from 'pino';
import type { Forwarder } from '../forwarder-client.js';
import { MissingCapabilities } from './missing-capabilities.js';
import { WiringMatrix } from './wiring-matrix.js';

export interface AbilitiesComponents {
  readonly forwarder: Pick<Forwarder, 'getCapabilities'>;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** Each part stays the same object, whatever is learnt: others hold on to the parts. */
export class Abilities {
  readonly wirings: WiringMatrix = new WiringMatrix();
  readonly missingCapabilities: MissingCapabilities = new MissingCapabilities();
  /** Physical networks whose devices this node can give to pods, by interface type. */
  readonly physical: Map<InterfaceType, readonly string[]> = new Map();
  readonly #components: AbilitiesComponents;
  /** What the log was told to be missing, by the name of an interface or tunnel type. */
  readonly #missing = new Map<string, string>();

  constructor(components: AbilitiesComponents) {
    this.#components = components;
  }

  /**
   * Asks the forwarder.
   * @returns what tells this node's network namespace from every other.
   * @throws NsmError `unavailable` when it does not answer.
   */
  async learn(): Promise<string> {
    const { forwarder, logger } = this.#components;
    const { interfaces, tunnels, nodeId, joins } = await forwarder.getCapabilities({});
    this.wirings.learn(joins);
    this.missingCapabilities.learn({ interfaces, tunnels });
    this.physical.clear();
    for (const { type, pools, missing } of interfaces) {
      this.physical.set(type, pools);
      const name = interfaceTypeName(type);
      if (this.#isNews(name, missing))
        logger.info({ type: name, missing }, `interface type ${availability(missing)} on this node`);
    }
    for (const type of new Set(tunnels.map((tunnel) => tunnel.type))) {
      const name = tunnelName(type);
      const missing = this.missingCapabilities.tunnels.get(type) ?? '';
      if (this.#isNews(name, missing))
        logger.warn({ type: name, missing }, `tunnel type ${availability(missing)} on this node`);
    }
    return nodeId;
  }

  /** Whether the log was told otherwise before; at first nothing is missing. */
  #isNews(name: string, missing: string): boolean {
    const before = this.#missing.get(name) ?? '';
    this.#missing.set(name, missing);
    return before !== missing;
  }
}

function availability(missing: string): string {
  return missing ? 'not available' : 'available again';
}
