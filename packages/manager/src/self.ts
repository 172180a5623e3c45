// Who this manager is, to others and in the kernel.

export interface Self {
  readonly name: string;
  /** What runs here, such as `0.1.0`; '' when it is not told. */
  readonly version: string;
  /** How it speaks with other machines. */
  readonly security: 'mtls' | 'insecure';
  /** The trust domain of its certificate; '' without TLS. */
  readonly domain: string;
  /** Different after each start. */
  readonly incarnation: string;
  /** MANAGER:NODE-, what the ids of all connections on this node begin with. */
  readonly idPrefix: string;
  /** Inode of the network namespace that this manager's own connections are in. */
  readonly namespaceInode: number;
  /** Address that other managers call, HOST:PORT. */
  readonly address: string;
}
