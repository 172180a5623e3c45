// Knocking at doors of another node behind which nobody waits: its kernel says that a packet came, unless something drops it on the way.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Door, IpPrefix, type KnockAnswer, KnockSocket, NetlinkError } from '@nsm/netlink';

/** What came of it, or why it could not be tried. */
export type Knocked = KnockAnswer | 'silent' | { readonly untried: string };

/** Milliseconds. A kernel answers six such packets of one sender at once, and one in a second then (net.ipv4.icmp_ratelimit). */
const [answeredWithinMs, againAfterMs, lookEveryMs] = [300, 1100, 5];
const attempts = 3;
/** A header of GRE with a key (RFC 2890) and Ethernet behind it: of no tunnel. */
const payload = Buffer.from('2000655800000000', 'hex');

/** The answers to each door, in their order. Doors that stay silent are knocked at again. */
export async function knockAt(remote: string, doors: readonly Door[]): Promise<Knocked[]> {
  const peer = IpPrefix.ofAddress(remote);
  const knocked: Knocked[] = doors.map(() => 'silent');
  const silent = (): number[] => doors.flatMap((_, at) => (knocked[at] === 'silent' ? [at] : []));
  for (let attempt = 0; attempt < attempts && silent().length > 0; attempt++) {
    if (attempt > 0) await sleep(againAfterMs);
    // One after the other: each has the answer that comes next.
    for (const at of silent()) {
      const door = doors[at];
      if (door) knocked[at] = await knockOnce(peer, door);
    }
  }
  return knocked;
}

async function knockOnce(peer: IpPrefix, door: Door): Promise<Knocked> {
  try {
    using socket = KnockSocket.open(peer, door, payload);
    socket.send();
    for (let waited = 0; waited < answeredWithinMs; waited += lookEveryMs) {
      const answer = socket.answer();
      if (answer) return answer;
      await sleep(lookEveryMs);
    }
    return 'silent';
  } catch (error) {
    if (error instanceof NetlinkError) return { untried: error.message };
    throw error;
  }
}
