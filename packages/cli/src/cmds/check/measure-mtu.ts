// How large a packet may be on the way to another node: measured by packets that nobody may cut into pieces, and their answers.
import { setTimeout as sleep } from 'node:timers/promises';
import { EchoProbe, IpPrefix, largestSize, NetlinkError, RouteSocket } from '@nsm/netlink';

export interface MeasuredMtu {
  /** Bytes of the largest IP packet that came back. */
  readonly measured: number;
  /** Bytes that the kernel takes the way to have, by which the mesh reckons the MTU of pods. */
  readonly expected: number;
  readonly device: string;
  readonly remote: string;
  /** Router on the way; '' on a common link. */
  readonly via: string;
}

/** Milliseconds for the first answer, between two looks for it, and how often what did not come back is sent again. */
const [patienceMs, lookEveryMs, attempts] = [400, 5, 2];
/** Milliseconds for further answers: so many times what the first took, but not less. */
const [patienceFactor, leastPatienceMs] = [20, 100];
/** The least that every way must carry (RFC 791, RFC 8200, section 5). */
const least = { 4: 576, 6: 1280 } as const;

/** @returns why it cannot be measured, in words, where it cannot. */
export async function measureMtu(remote: string): Promise<MeasuredMtu | string> {
  try {
    return await measure(remote);
  } catch (error) {
    if (error instanceof NetlinkError) return error.message;
    throw error;
  }
}

async function measure(remote: string): Promise<MeasuredMtu | string> {
  const peer = IpPrefix.ofAddress(remote);
  const { expected, ...way } = wayTo(remote);
  using probe = EchoProbe.open(peer);
  const found = (measured: number): MeasuredMtu => ({ measured, expected, ...way, remote });
  const smallest = Math.min(least[peer.version], expected);
  // The whole size is mostly all there is to measure; the smallest beside it says whether there are answers at all, and how soon.
  const started = performance.now();
  let tookMs = patienceMs;
  const first = await answersTo(probe, [...new Set([smallest, expected])], patienceMs, () => {
    tookMs = Math.min(tookMs, performance.now() - started);
  });
  if (first.has(expected)) return found(expected);
  if (!first.has(smallest)) return `${remote} answers no ICMP echo, by which it is measured`;
  const patience = Math.min(patienceMs, Math.max(leastPatienceMs, patienceFactor * tookMs));
  return found(await largestSize(smallest, expected, (sizes) => answersTo(probe, sizes, patience)));
}

async function answersTo(
  probe: EchoProbe,
  sizes: readonly number[],
  withinMs: number,
  onAnswer: () => void = () => undefined,
): Promise<Set<number>> {
  const answered = new Set<number>();
  for (let attempt = 0; attempt < attempts && answered.size < sizes.length; attempt++) {
    for (const size of sizes) if (!answered.has(size)) probe.send(size);
    for (let waited = 0; waited < withinMs && answered.size < sizes.length; waited += lookEveryMs) {
      await sleep(lookEveryMs);
      for (const size of probe.answers()) {
        onAnswer();
        if (sizes.includes(size)) answered.add(size);
      }
    }
  }
  return answered;
}

function wayTo(remote: string): { expected: number; device: string; via: string } {
  using socket = RouteSocket.open();
  const route = socket.routeTo(remote);
  const link = socket.link(route.device);
  return { expected: route.mtu, device: link?.name ?? `#${route.device}`, via: route.gateway ?? '' };
}
