// Knocking at doors of another node behind which nobody waits: its kernel says that a packet came, unless something drops it on the way.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Door, IpPrefix, type KnockAnswer, KnockSocket, NetlinkError } from '@nsm/netlink';

/** What came of it, or why it could not be tried. */
export type Knocked = KnockAnswer | 'silent' | { readonly untried: string };

/**
 * Milliseconds. A kernel answers six such packets of one sender at once, and one in a second then (net.ipv4.icmp_ratelimit): what is silent
 * among others may have come too soon after them, and what is silent alone, so long after the last, has not come.
 */
const [answeredWithinMs, apartMs, lookEveryMs] = [300, 1100, 5];
/** A header of GRE with a key (RFC 2890) and Ethernet behind it: of no tunnel. */
const payload = Buffer.from('2000655800000000', 'hex');

export interface Knocks {
  /** Of each door. */
  readonly answers: ReadonlyMap<Door, Knocked>;
  /** The node's kernel says of some packets that they came. */
  readonly answersSome: boolean;
}

/**
 * Knocks at all doors at the same time, then at each that stays silent alone.
 * @param freeDoor at which nobody can be: what is answered there and not elsewhere is dropped on purpose.
 */
export async function knockAt(
  remote: string,
  doors: readonly Door[],
  freeDoor: (silent: Door) => Door,
): Promise<Knocks> {
  const peer = IpPrefix.ofAddress(remote);
  const answers = new Map<Door, Knocked>();
  await Promise.all(doors.map(async (door) => answers.set(door, await knockOnce(peer, door))));
  const silent = doors.filter((door) => answers.get(door) === 'silent');
  const [first] = silent;
  const heard = (): boolean => [...answers.values()].includes('came');
  if (!first) return { answers, answersSome: heard() };
  if (!heard()) {
    await sleep(apartMs);
    // A node that answers at no door at all says nothing about any.
    if ((await knockOnce(peer, freeDoor(first))) !== 'came') return { answers, answersSome: false };
  }
  for (const door of silent) {
    await sleep(apartMs);
    answers.set(door, await knockOnce(peer, door));
  }
  return { answers, answersSome: true };
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
