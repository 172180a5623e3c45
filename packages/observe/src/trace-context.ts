// The trace that a call belongs to, as it travels beside the call: W3C Trace Context, https://www.w3.org/TR/trace-context/.
import { randomBytes } from 'node:crypto';

export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** Of the work that the call is part of: 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether the caller records the trace, or leaves that to whoever is called. */
  readonly sampled: boolean;
}

/** Version 00; later versions may append fields (section 4.3 of the recommendation). */
const form = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** @returns undefined for a header that is none, and for a header that says nothing. */
export function readTraceparent(header: string | undefined): TraceContext | undefined {
  // A stranger may send whatever fits into the headers of a call.
  if (header === undefined || header.length > 256) return undefined;
  const [, traceId, spanId, flags = ''] = form.exec(header) ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function traceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

export function newTraceId(): string {
  return randomHex(16);
}

export function newSpanId(): string {
  return randomHex(8);
}

/** Bytes that are fetched at once: each fetching takes longer than some ten ids. */
let pool = Buffer.alloc(0);
let used = 0;

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    pool = randomBytes(2048);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}
