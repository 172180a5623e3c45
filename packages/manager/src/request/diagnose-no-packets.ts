// No packets come back through a new tunnel: something in the endpoint's pod may undo its half, which its manager knows.
import { NsmError } from '@nsm/api';
import type { Peer } from '../peers/peer-managers.js';
import { toldBy, wordsOf } from '../untrusted-text.js';
import type { RequestComponents } from './components.js';

/** Milliseconds within which a manager says why no packets come back. */
const sayWhyWithinMs = 1000;

/** @returns an error with the other manager's reason, or the given error. */
export async function diagnoseNoPackets(
  { self, peers }: Pick<RequestComponents, 'self' | 'peers'>,
  peer: Peer,
  id: string,
  error: NsmError,
): Promise<NsmError> {
  const reply = await peers.check(peer, self.name, [], sayWhyWithinMs).catch(() => undefined);
  const why = reply?.troubled.find(({ connectionId }) => connectionId === id);
  return why ? new NsmError(error.kind, toldBy(peer.manager, wordsOf(why)), error) : error;
}
