// One connection to one member of an etcd: calls that say what went wrong.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type CallOptions, Channel, NsmError } from '@nsm/api';
import * as etcd from '@nsm/api/etcd';
import type { EtcdMember } from './etcd-access.js';
import { explain, isStaleToken } from './etcd-errors.js';
import { connectSecurely } from './etcd-tls.js';

/** How long one member may take for an answer, milliseconds: a write that is lost with it has time for another member. */
const answerWithinMs = 1500;
/** A page of records has at most 500 of 64 KiB. */
const maxReplyBytes = 64 << 20;
/** A member that has no leader then refuses, and ends watches, instead of answering from what it last heard. */
const requireLeader = { hasleader: 'true' };

export class EtcdSession implements Disposable {
  readonly #member: EtcdMember;
  readonly #failed: () => void;
  readonly #channel: Channel;
  readonly #ended = new AbortController();

  /** @param failed is called when a call has failed: the member may be one that the others do not hear. */
  constructor(member: EtcdMember, failed: () => void) {
    this.#member = member;
    this.#failed = failed;
    const { address, tls } = member;
    const connect = tls ? { connect: () => connectSecurely(address, tls) } : {};
    this.#channel = new Channel(address, { maxReplyBytes, ...connect });
  }

  async range(
    request: MessageInitShape<typeof etcd.RangeRequestSchema>,
    timeoutMs?: number,
  ): Promise<etcd.RangeResponse> {
    return await this.#call((options) => this.#channel.client(etcd.KV).range(request, options), timeoutMs);
  }

  async txn(request: MessageInitShape<typeof etcd.TxnRequestSchema>): Promise<etcd.TxnResponse> {
    return await this.#call((options) => this.#channel.client(etcd.KV).txn(request, options));
  }

  /** @returns the identifier of a new lease of so many seconds. */
  async grantLease(seconds: bigint): Promise<bigint> {
    const { id } = await this.#call((options) =>
      this.#channel.client(etcd.Lease).leaseGrant({ ttl: seconds }, options),
    );
    return id;
  }

  /** @returns false when the lease has run out. */
  async keepLease(id: bigint): Promise<boolean> {
    const { ttl } = await this.#call((options) =>
      this.#channel.client(etcd.Lease).leaseKeepAlive({ id }, options),
    );
    return ttl > 0n;
  }

  /** Ends with the session, or by `signal`. */
  async *watch(
    createRequest: MessageInitShape<typeof etcd.WatchCreateRequestSchema>,
    signal: AbortSignal,
  ): AsyncGenerator<etcd.WatchResponse> {
    const options = { headers: await this.#headers(), signal: AbortSignal.any([signal, this.#ended.signal]) };
    try {
      const requestUnion = { case: 'createRequest', value: createRequest } as const;
      yield* this.#channel.client(etcd.Watch).watch({ requestUnion }, options);
    } catch (thrown) {
      signal.throwIfAborted();
      throw await explain(thrown, this.#member);
    }
  }

  [Symbol.dispose](): void {
    this.#ended.abort(new NsmError('cancelled', 'the connection to etcd is given up'));
    this.#channel.close();
  }

  async #call<T>(call: (options: CallOptions) => Promise<T>, timeoutMs: number = answerWithinMs): Promise<T> {
    const { signal } = this.#ended;
    for (let again = true; ; again = false) {
      const token = this.#token();
      try {
        return await call({ headers: await this.#headers(token), timeoutMs, signal });
      } catch (thrown) {
        if (!again || !token || !isStaleToken(thrown)) {
          this.#failed();
          throw await explain(thrown, this.#member);
        }
        this.#member.user?.forget(token);
      }
    }
  }

  async #headers(token: Promise<string> | undefined = this.#token()): Promise<Record<string, string>> {
    return token ? { ...requireLeader, token: await token } : requireLeader;
  }

  #token(): Promise<string> | undefined {
    return this.#member.user?.token(async (name, password) => {
      const options = { timeoutMs: answerWithinMs * 2, signal: this.#ended.signal };
      return (await this.#channel.client(etcd.Auth).authenticate({ name, password }, options)).token;
    });
  }
}
