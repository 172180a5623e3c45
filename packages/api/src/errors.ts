// The one error class of the mesh, its stable codes, and their only mapping to gRPC status and admission_error.
import { inspect } from 'node:util';
import { Status as status } from '@grpc/grpc-js/build/src/constants.js';
import { channelWords } from './channel-words.js';
import { exhaustionOf } from './exhaustion.js';

/** Every way a call can fail. */
export type NsmErrorKind =
  | 'internal'
  | 'cancelled'
  | 'deadline'
  | 'unavailable'
  | 'unimplemented'
  | 'overload'
  | 'stopping'
  | 'invalid'
  | 'namespace-unknown'
  | 'namespace-foreign'
  | 'not-found'
  | 'conflict'
  | 'policy'
  | 'no-endpoint'
  | 'no-matching-endpoint'
  | 'endpoint-unreachable'
  | 'endpoint-refused'
  | 'no-common-interface'
  | 'no-common-tunnel'
  | 'no-address'
  | 'no-identifier'
  | 'disk'
  | 'manager-unreachable'
  | 'manager-refused'
  | 'untrusted'
  | 'dataplane'
  | 'no-packets'
  | 'privilege'
  | 'own-branch'
  | 'exhausted'
  | 'registry';

/** A stable code for people and scripts, and the gRPC status a failure travels as. */
const kinds: Readonly<Record<NsmErrorKind, readonly [code: string, status: status]>> = {
  internal: ['NSM0001', status.INTERNAL],
  cancelled: ['NSM0002', status.CANCELLED],
  deadline: ['NSM0003', status.DEADLINE_EXCEEDED],
  unavailable: ['NSM0004', status.UNAVAILABLE],
  unimplemented: ['NSM0005', status.UNIMPLEMENTED],
  overload: ['NSM0006', status.RESOURCE_EXHAUSTED],
  stopping: ['NSM0007', status.UNAVAILABLE],
  invalid: ['NSM0101', status.INVALID_ARGUMENT],
  'namespace-unknown': ['NSM0102', status.NOT_FOUND],
  'namespace-foreign': ['NSM0103', status.PERMISSION_DENIED],
  'not-found': ['NSM0104', status.NOT_FOUND],
  conflict: ['NSM0105', status.ALREADY_EXISTS],
  policy: ['NSM0106', status.PERMISSION_DENIED],
  'no-endpoint': ['NSM0201', status.NOT_FOUND],
  'no-matching-endpoint': ['NSM0202', status.FAILED_PRECONDITION],
  'endpoint-unreachable': ['NSM0203', status.UNAVAILABLE],
  'endpoint-refused': ['NSM0204', status.FAILED_PRECONDITION],
  'no-common-interface': ['NSM0301', status.FAILED_PRECONDITION],
  'no-common-tunnel': ['NSM0302', status.FAILED_PRECONDITION],
  'no-address': ['NSM0401', status.RESOURCE_EXHAUSTED],
  'no-identifier': ['NSM0402', status.RESOURCE_EXHAUSTED],
  disk: ['NSM0403', status.RESOURCE_EXHAUSTED],
  'manager-unreachable': ['NSM0501', status.UNAVAILABLE],
  'manager-refused': ['NSM0502', status.FAILED_PRECONDITION],
  untrusted: ['NSM0503', status.UNAUTHENTICATED],
  dataplane: ['NSM0601', status.INTERNAL],
  'no-packets': ['NSM0602', status.UNAVAILABLE],
  privilege: ['NSM0603', status.PERMISSION_DENIED],
  'own-branch': ['NSM0604', status.FAILED_PRECONDITION],
  exhausted: ['NSM0605', status.RESOURCE_EXHAUSTED],
  registry: ['NSM0801', status.UNAVAILABLE],
};

/** Every kind there is. */
export const errorKinds: readonly NsmErrorKind[] = Object.keys(kinds) as NsmErrorKind[];

const kindOfCode = new Map(Object.entries(kinds).map(([kind, [code]]) => [code, kind as NsmErrorKind]));

/** An expected failure: what went wrong and, in the message, what to do about it. */
export class NsmError extends Error {
  override readonly name = 'NsmError';
  readonly kind: NsmErrorKind;
  /** Stable code, such as NSM0201. */
  readonly code: string;

  constructor(kind: NsmErrorKind, message: string, cause?: unknown) {
    super(printable(message), cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.code = kinds[kind][0];
  }

  get grpcStatus(): status {
    return kinds[this.kind][1];
  }

  /** The text of an admission_error or of a gRPC status: message, then code. */
  toAdmissionError(): string {
    return `${this.message} (${this.code})`;
  }

  /** Reads what `toAdmissionError` wrote; a text without a code becomes `fallback`. */
  static fromAdmissionError(text: string, fallback: NsmErrorKind): NsmError {
    const match = /^(.*) \((NSM\d{4})\)$/s.exec(text);
    const kind = match && kindOfCode.get(match[2] ?? '');
    return match && kind ? new NsmError(kind, match[1] ?? '') : new NsmError(fallback, text);
  }

  /** Makes one of anything thrown: itself, a limit that is used up, a gRPC status, an abort, or a surprise. */
  static from(thrown: unknown): NsmError {
    if (thrown instanceof NsmError) return thrown;
    if (!(thrown instanceof Error)) return new NsmError('internal', wordsOf(thrown));
    const usedUp = coded(thrown) ? undefined : exhaustionOf(thrown);
    if (usedUp)
      return new NsmError(
        usedUp.kind,
        `${isServiceError(thrown) ? channelWords(thrown.details) : thrown.message}: ${usedUp.text}`,
        thrown,
      );
    if (isServiceError(thrown)) {
      return withCause(
        NsmError.fromAdmissionError(channelWords(thrown.details), kindOfStatus(thrown)),
        thrown,
      );
    }
    if (thrown.name === 'TimeoutError') return new NsmError('deadline', 'the deadline passed', thrown);
    if (thrown.name === 'AbortError') return new NsmError('cancelled', 'the call was cancelled', thrown);
    return new NsmError('internal', wordsOf(thrown.message), thrown);
  }

  /** Of what a signal ended: its reason, and what was under way. */
  static during(step: string, reason: unknown): NsmError {
    const { kind, message } = NsmError.from(reason);
    return new NsmError(kind, `${message} while: ${step}`, reason);
  }
}

/** Another process may have worded it: what a terminal takes for orders is shown, not obeyed. */
function printable(text: string): string {
  // Control characters of ASCII and of Latin-1, but for the end of a line.
  return text.replace(
    /[^\P{Cc}\n]/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** Anything can be thrown, also what cannot be made a string. */
function wordsOf(thrown: unknown): string {
  return typeof thrown === 'string' ? thrown : inspect(thrown, { customInspect: false });
}

function withCause(error: NsmError, cause: Error): NsmError {
  error.cause = cause;
  return error;
}

function isServiceError(error: Error): error is Error & { code: status; details: string } {
  return (
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string'
  );
}

/** The other side of a call has said itself what it is. */
function coded(error: Error): boolean {
  return isServiceError(error) && /\(NSM\d{4}\)$/.test(error.details);
}

function kindOfStatus({ code, details }: { readonly code: status; readonly details: string }): NsmErrorKind {
  // What grpc-js says of a call that a server which stops has ended by RST_STREAM with NO_ERROR (RFC 9113, section 8.1).
  if (code === status.INTERNAL && details.startsWith('Received RST_STREAM with code 0 ')) return 'cancelled';
  switch (code) {
    case status.CANCELLED:
      return 'cancelled';
    case status.DEADLINE_EXCEEDED:
      return 'deadline';
    case status.UNAVAILABLE:
      return 'unavailable';
    case status.UNIMPLEMENTED:
      return 'unimplemented';
    case status.RESOURCE_EXHAUSTED:
      return 'overload';
    case status.INVALID_ARGUMENT:
      return 'invalid';
    default:
      return 'internal';
  }
}
