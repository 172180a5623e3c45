// Classes of the hierarchical token bucket: codec and operation (linux/pkt_sched.h).
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../protocol/message.js';
import type { NetlinkSocket } from '../protocol/netlink-socket.js';
import { RTM_NEWTCLASS } from '../protocol/route-messages.js';
import { encodeTrafficHeader, parentNumber, type TrafficParent } from './tc-handles.js';
import { MAXIMUM_RATE, ticksFor, writeRate } from './tc-rates.js';

/** A class of an htb qdisc. */
export interface HtbClassSpec {
  readonly device: number;
  /** `1:10`. */
  readonly handle: TrafficParent;
  /** The qdisc (`1:`) or another class. */
  readonly parent: TrafficParent;
  /** Bytes per second it is sure of. */
  readonly rate: number;
  /** Bytes per second it may borrow up to; default `rate`. */
  readonly ceil?: number | undefined;
  /** Bytes that may pass at once; default what 10 ms at `rate` are, and at least 1600. */
  readonly burst?: number | undefined;
  /** 0–7, lower first. */
  readonly priority?: number | undefined;
}

const TCA_KIND = 1;
const TCA_OPTIONS = 2;

/** See `RouteSocket.addClass`. */
export const addClass = (socket: NetlinkSocket, spec: HtbClassSpec, replace: boolean): void =>
  socket.request(
    {
      type: RTM_NEWTCLASS,
      flags: NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
      operation: 'add class',
      object: `${spec.handle} on #${spec.device}`,
    },
    (writer) => {
      const ceil = spec.ceil ?? spec.rate;
      const burst = spec.burst ?? Math.max(1600, spec.rate / 100);
      encodeTrafficHeader(writer, {
        device: spec.device,
        handle: parentNumber(spec.handle),
        parent: parentNumber(spec.parent),
      });
      writer.string(TCA_KIND, 'htb');
      writer.nest(
        TCA_OPTIONS,
        () => {
          // struct tc_htb_opt: rate, ceil, buffer, cbuffer, quantum, level, prio.
          const at = writer.attribute(1, 44);
          writeRate(writer, at, spec.rate);
          writeRate(writer, at + 12, ceil);
          writer.bytes.writeUInt32LE(ticksFor(burst, spec.rate), at + 24);
          writer.bytes.writeUInt32LE(ticksFor(burst, ceil), at + 28);
          writer.bytes.writeUInt32LE(spec.priority ?? 0, at + 40);
          if (spec.rate > MAXIMUM_RATE) writer.u64(6, Math.round(spec.rate));
          if (ceil > MAXIMUM_RATE) writer.u64(7, Math.round(ceil));
        },
        false,
      );
    },
  );
