// What a process shows to other machines, and whom it believes: the same for its servers and its channels.
import type { X509Certificate } from 'node:crypto';
import type { Identity, MachineKind } from './identity.js';

/** A certificate, its key and the authorities, of one moment. A newer one is another object. */
export interface Credential {
  readonly identity: Identity;
  /** PEM. */
  readonly key: string;
  /** PEM: the own certificate first, then those that lead to an authority. */
  readonly chain: string;
  /** The authorities of each trust domain, the own one among them: a certificate of a domain counts if one of that domain has signed. */
  readonly authorities: ReadonlyMap<string, readonly X509Certificate[]>;
}

/** Where the credential comes from, which it may renew at any time: each new connection takes what is current. */
export interface Credentials {
  readonly current: Credential;
}

/** Whom a channel must find at the other end. */
export interface ExpectedPeer {
  /** Default: any manager or registry of the own trust domain. */
  readonly name?: string;
  /** Default: either. */
  readonly kind?: MachineKind;
  /** Default: the own trust domain. */
  readonly domain?: string;
}
