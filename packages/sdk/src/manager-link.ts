// A channel to the node's manager that says in plain words when no manager is there, and waits for one when asked to.
import { setTimeout as pause } from 'node:timers/promises';
import { Channel, NsmError } from '@nsm/api';

export interface CallLimits {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call, waiting included. */
  readonly timeoutMs: number;
  /** Milliseconds to wait for a manager that is not there yet; part of `timeoutMs`. */
  readonly waitMs: number;
}

/** Pause between two attempts, milliseconds: a manager takes some hundred to start. */
const retryMs = 100;

/** Tens of thousands of connections in one list. */
const maxReplyBytes = 64 << 20;

export class ManagerLink implements Disposable {
  readonly socket: string;
  readonly channel: Channel;

  /** `socket`: path of client.sock, endpoint.sock or admin.sock. Nothing is opened before the first call. */
  constructor(socket: string) {
    this.socket = socket;
    this.channel = new Channel(`unix:${socket}`, { maxReplyBytes });
  }

  /**
   * Makes a call that is safe to repeat, and repeats it when the manager restarts under it.
   * @throws NsmError `unavailable` at once when no manager answers (after `waitMs`), `stopping` when one was stopped during the call and
   * none came after it, `deadline`, `cancelled`.
   */
  async call<T>(
    limits: CallLimits,
    send: (options: { readonly signal?: AbortSignal; readonly timeoutMs: number }) => Promise<T>,
  ): Promise<T> {
    const start = performance.now();
    const { signal, timeoutMs } = limits;
    let patience = Math.min(limits.waitMs, timeoutMs);
    let stopped: NsmError | undefined;
    for (;;) {
      try {
        const left = Math.max(1, Math.ceil(timeoutMs - (performance.now() - start)));
        return await send({ ...(signal ? { signal } : {}), timeoutMs: left });
      } catch (thrown) {
        const error = this.explain(thrown, signal);
        if (!isManagerGone(error)) throw error;
        // A call that reached a manager was cut off by its restart: the next manager answers it.
        if (!neverConnected(error)) patience = timeoutMs;
        if (error.kind === 'stopping') stopped = error;
        if (performance.now() - start + retryMs > patience) throw stopped ?? error;
        await pause(retryMs, undefined, signal ? { signal } : {}).catch((aborted: unknown) => {
          throw NsmError.from(aborted);
        });
      }
    }
  }

  /** Turns a broken call into an error that says which manager was asked and what to do. */
  explain(thrown: unknown, signal?: AbortSignal): NsmError {
    const error = NsmError.from(thrown);
    // A server that is stopped at once resets its calls, which reads as a cancellation, though this process asked for none.
    if (error.kind === 'stopping' || (error.kind === 'cancelled' && !signal?.aborted))
      return new NsmError(
        'stopping',
        `the manager on ${this.socket} was stopped during the call: ask again when it is back`,
        error,
      );
    if (error.kind !== 'unavailable' || isReply(error)) return error;
    if (/\bEACCES\b|\bEPERM\b/.test(error.message))
      return new NsmError('privilege', `${this.socket} may not be opened by this user: run as root`, error);
    if (/\bENOTSOCK\b|\bENOTDIR\b/.test(error.message))
      return new NsmError('invalid', `${this.socket} is not a socket: look at the run directory`, error);
    if (neverConnected(error))
      return new NsmError(
        'unavailable',
        `no manager answers on ${this.socket}: is \`nsm manager\` running, and is this its run directory?`,
        error,
      );
    return new NsmError('unavailable', `the manager on ${this.socket} went away during the call`, error);
  }

  [Symbol.dispose](): void {
    this.channel.close();
  }
}

/** True when another attempt can succeed once a manager is there (again). */
export function isManagerGone(error: NsmError): boolean {
  return (error.kind === 'unavailable' && !isReply(error)) || error.kind === 'stopping';
}

/** A manager has said so itself, of something that it needs, as its forwarder: its errors bear their codes. */
function isReply({ cause, code }: NsmError): boolean {
  return cause instanceof Error && 'details' in cause && String(cause.details).endsWith(`(${code})`);
}

function neverConnected(error: NsmError): boolean {
  // Of a call: "not connected: …"; of Channel.lost: "… does not answer".
  const text = error.cause instanceof NsmError ? error.cause.message : error.message;
  return /^not connected|does not answer|ENOENT|ECONNREFUSED/.test(text);
}
