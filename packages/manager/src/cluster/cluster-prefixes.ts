// The prefixes of the cluster, which no default route of a connection takes: those of the configuration, and those that the cluster
// tells of itself.
import { aggregate } from './aggregate.js';

/** What a cluster tells of its own networks, such as those of its Pods, Services and nodes. */
export interface ClusterNetworks {
  /** Undefined until they are known. */
  readonly prefixes: readonly string[] | undefined;
  /** @param listener is called whenever they may have become others. */
  onChange(listener: () => void): void;
}

export class ClusterPrefixes {
  readonly #configured: readonly string[];
  readonly #networks: ClusterNetworks | undefined;

  constructor(configured: readonly string[], networks: ClusterNetworks | undefined) {
    this.#configured = configured;
    this.#networks = networks;
  }

  /** As few as hold them all; undefined while the cluster has told nothing. @throws DecodeError */
  current(): string[] | undefined {
    const told = this.#networks ? this.#networks.prefixes : [];
    return told && aggregate([...this.#configured, ...told]);
  }

  onChange(listener: () => void): void {
    this.#networks?.onChange(listener);
  }
}
