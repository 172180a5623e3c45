// The parts of etcd's transactions.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
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

/** What the ranges of a transaction found: of each the first, those of transactions within it too. */
export function valuesIn({ responses }: TxnResponse): (KeyValue | undefined)[] {
  return responses.flatMap(({ response }) => {
    if (response.case === 'responseRange') return [response.value.kvs[0]];
    return response.case === 'responseTxn' ? valuesIn(response.value) : [];
  });
}
