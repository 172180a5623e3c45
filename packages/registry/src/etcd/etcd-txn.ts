// The parts of etcd's transactions.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  Compare_CompareResult as CompareResult,
  type CompareSchema,
  Compare_CompareTarget as CompareTarget,
  type KeyValue,
  type RequestOpSchema,
  type TxnRequestSchema,
  type TxnResponse,
} from '@nsm/api/etcd';

export type Txn = MessageInitShape<typeof TxnRequestSchema>;
export type Comparison = MessageInitShape<typeof CompareSchema>;
export type Operation = MessageInitShape<typeof RequestOpSchema>;

/** Holds when nothing is at the key. */
export const absent = (key: Uint8Array): Comparison => ({
  target: CompareTarget.CREATE,
  key,
  targetUnion: { case: 'createRevision', value: 0n },
});

/** Holds when the key was last written in that revision; of 0n, when nothing is there. */
export const unchanged = (key: Uint8Array, revision: bigint): Comparison => ({
  target: CompareTarget.MOD,
  key,
  targetUnion: { case: 'modRevision', value: revision },
});

/** Holds when something is at the key. */
export const present = (key: Uint8Array): Comparison => ({ ...absent(key), result: CompareResult.GREATER });

/** Holds when the key is there and goes with that lease. */
export const boundTo = (key: Uint8Array, lease: bigint): Comparison => ({
  target: CompareTarget.LEASE,
  key,
  targetUnion: { case: 'lease', value: lease },
});

export const hasValue = (key: Uint8Array, value: Uint8Array): Comparison => ({
  target: CompareTarget.VALUE,
  key,
  targetUnion: { case: 'value', value },
});

export const put = (key: Uint8Array, value: Uint8Array, lease: bigint = 0n): Operation => ({
  request: { case: 'requestPut', value: { key, value, lease } },
});

export const remove = (key: Uint8Array): Operation => ({
  request: { case: 'requestDeleteRange', value: { key } },
});

export const range = (key: Uint8Array): Operation => ({ request: { case: 'requestRange', value: { key } } });

export const within = (value: Txn): Operation => ({ request: { case: 'requestTxn', value } });

/** The answer to the first transaction within one. */
export function nested({ responses }: TxnResponse): TxnResponse | undefined {
  const [first] = responses;
  return first?.response.case === 'responseTxn' ? first.response.value : undefined;
}

/** What the ranges of a transaction found: of each the first, those of transactions within it too. */
export function valuesIn({ responses }: TxnResponse): (KeyValue | undefined)[] {
  return responses.flatMap(({ response }) => {
    if (response.case === 'responseRange') return [response.value.kvs[0]];
    return response.case === 'responseTxn' ? valuesIn(response.value) : [];
  });
}
