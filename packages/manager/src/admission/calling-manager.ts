// Which manager calls, and which halves of connections are its to end, to move or to ask about.
import { type CallContext, NsmError } from '@nsm/api';
import type { Registry } from '@nsm/registry';
import type { Self } from '../self.js';
import type { Connection } from '../state/connection.js';
import { quote } from '../untrusted-text.js';

export interface CallingManager {
  /** '' for a manager that neither says its name nor shows a certificate. */
  readonly name: string;
  /** True for the name of a certificate; without TLS a name is only said. */
  readonly proven: boolean;
}

export interface CallingComponents {
  readonly self: Pick<Self, 'domain'>;
  readonly registry: Pick<Registry, 'managers'>;
}

/**
 * The manager that calls: its certificate says which, and a name in the call may only agree. Without TLS the name in the call counts.
 * @param claimed name in the call; '' for none.
 * @throws NsmError `untrusted` when another than the named manager calls, or a manager of that name in another trust domain.
 */
export function callingManager(
  { self, registry }: CallingComponents,
  { identity }: Pick<CallContext, 'identity'>,
  claimed: string,
): CallingManager {
  if (!identity) return { name: claimed, proven: false };
  const { kind, name, domain } = identity;
  if (kind !== 'manager')
    throw new NsmError(
      'untrusted',
      `the certificate is of ${kind} ${quote(name)}, and only managers have connections`,
    );
  if (claimed !== '' && claimed !== name)
    throw new NsmError(
      'untrusted',
      `the call is in the name of manager ${quote(claimed)}, the certificate of ${quote(name)}`,
    );
  const registered = registry.managers().get(name)?.trustDomain || self.domain;
  if (registered !== '' && registered !== domain)
    throw new NsmError(
      'untrusted',
      `manager ${quote(name)} is of trust domain ${quote(registered)}, the certificate of ${quote(domain)}`,
    );
  return { name, proven: true };
}

/** @throws NsmError `untrusted` when a manager asks for a half in the name of another manager's connection. */
export function admitConnectionId({ name, proven }: CallingManager, connectionId: string): void {
  if (!proven || connectionId === '' || connectionId.startsWith(`${name}:`)) return;
  throw new NsmError('untrusted', `connection ${quote(connectionId)} is not one of manager ${quote(name)}`);
}

/**
 * Whether a half is the one that a manager means, and shares. Made anew since, the same connection has another `half_id`: what was
 * long on its way is about its former self.
 * @param halfId as in the call; may be left out by a manager that has proven its name, or that knows only the specification.
 */
export function means({ name, proven }: CallingManager, half: Connection, halfId: string): boolean {
  if ((half.peer?.manager ?? '') !== name) return false;
  const { halfId: own = '' } = half;
  if (own === '' || halfId === own) return true;
  return halfId === '' && (proven || half.peer?.connectionId === '');
}
