// Transactions of one moment that share a call.
import { create, toBinary } from '@bufbuild/protobuf';
import { NsmError } from '@nsm/api';
import { type TxnRequest, TxnRequestSchema, type TxnResponse } from '@nsm/api/etcd';
import { GatheredCalls, type MostOfCall } from '../remote/gathered-calls.js';
import { type Txn, within } from './etcd-txn.js';

/** Less than etcd accepts in one request: 128 operations, 1.5 MiB. */
const mostOfCall: MostOfCall = { count: 100, bytes: 1 << 20 };

interface AboutKey {
  readonly key: string;
  readonly txn: TxnRequest;
}

export class GatheredTxns {
  readonly #calls: GatheredCalls<AboutKey, TxnResponse>;
  readonly #send: (txn: Txn) => Promise<TxnResponse>;

  constructor(send: (txn: Txn) => Promise<TxnResponse>) {
    this.#send = send;
    this.#calls = new GatheredCalls(
      mostOfCall,
      ({ txn }) => toBinary(TxnRequestSchema, txn).length,
      async (items) => await this.#sendAll(items),
    );
  }

  /** @param key the only one that it writes. */
  add(key: Uint8Array, txn: Txn): Promise<TxnResponse> {
    return this.#calls.add({ key: Buffer.from(key).toString('latin1'), txn: create(TxnRequestSchema, txn) });
  }

  async #sendAll(items: readonly AboutKey[]): Promise<readonly (TxnResponse | NsmError)[]> {
    const answers = new Map<AboutKey, TxnResponse>();
    for (let left = items; left.length > 0; left = left.filter((item) => !answers.has(item))) {
      // Etcd takes no transaction that writes a key twice.
      const round = [...new Map(left.toReversed().map((item) => [item.key, item])).values()];
      const replies = await this.#sendRound(round);
      for (const [index, item] of round.entries()) {
        const reply = replies[index];
        if (!reply) throw new NsmError('registry', 'etcd has not answered to all of a transaction');
        answers.set(item, reply);
      }
    }
    return items.map((item) => answers.get(item) as TxnResponse);
  }

  async #sendRound(items: readonly AboutKey[]): Promise<readonly (TxnResponse | undefined)[]> {
    const [first] = items;
    if (first && items.length === 1) return [await this.#send(first.txn)];
    const { responses } = await this.#send({ success: items.map(({ txn }) => within(txn)) });
    return responses.map(({ response }) => (response.case === 'responseTxn' ? response.value : undefined));
  }
}
