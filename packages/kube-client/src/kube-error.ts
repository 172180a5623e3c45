// The API server's refusals and failures as errors of the mesh.
import { NsmError, type NsmErrorKind } from '@nsm/api';

/** `Status` of the API, which answers carry that are no success. */
interface Status {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly kind?: string; readonly retryAfterSeconds?: number };
}

export class KubeError extends NsmError {
  /** HTTP status; 0 when the server could not be reached. */
  readonly status: number;
  /**
   * The API's word, such as `NotFound`, `AlreadyExists`, `Conflict`, `Forbidden`, `Expired`; `Unreachable` when there was no
   * answer, `NoSuchResource` when the server does not know the kind at all, `Stopped` when the client was stopped.
   */
  readonly reason: string;
  /** Of what kind the thing is that was not found or refused: `namespaces`, `pods`; empty when the server does not say. */
  readonly about: string;
  /** Milliseconds that the server wants to be left alone. */
  readonly retryAfterMs: number;

  constructor(
    message: string,
    status: number,
    reason: string,
    details: Status['details'] = {},
    cause?: unknown,
  ) {
    super(kindOf(status), message, cause);
    this.status = status;
    this.reason = reason;
    this.about = details.kind ?? '';
    this.retryAfterMs = (details.retryAfterSeconds ?? 0) * 1000;
  }

  /** @param what was asked for, such as `get pods "a"`. @param body of the answer. */
  static fromAnswer(what: string, status: number, body: string): KubeError {
    const parsed = statusOf(body);
    if (parsed) return KubeError.fromStatus(what, parsed, status);
    if (status === 404)
      return new KubeError(`${what}: the API server does not know this kind`, 404, 'NoSuchResource');
    return new KubeError(`${what}: HTTP status ${status}: ${body.trim().slice(0, 200)}`, status, '');
  }

  /** @param status as an answer or an ERROR event of a watch has it. */
  static fromStatus(what: string, status: Status, code = 0): KubeError {
    const { reason = '', message = 'no reason given', details } = status;
    return new KubeError(`${what}: ${message}`, status.code ?? code, reason, details);
  }

  static stopped(): KubeError {
    return new KubeError('the client of the Kubernetes API was stopped', 0, 'Stopped');
  }

  static unreachable(server: string, cause: unknown): KubeError {
    const words = cause instanceof Error && cause.message !== '' ? cause.message : String(cause);
    return new KubeError(`Kubernetes API at ${server}: ${words}`, 0, 'Unreachable', {}, cause);
  }
}

function statusOf(body: string): Status | undefined {
  try {
    const parsed = JSON.parse(body) as Status;
    return parsed?.kind === 'Status' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Who asks must change something, or the server is to be asked again later. */
function kindOf(status: number): NsmErrorKind {
  switch (status) {
    case 400:
    case 422:
      return 'invalid';
    case 401:
      return 'untrusted';
    case 403:
      return 'privilege';
    case 404:
      return 'not-found';
    case 409:
      return 'conflict';
    case 429:
      return 'overload';
    default:
      return 'unavailable';
  }
}
