// Many records of one revision, read in several calls.
import type { KeyValue } from '@nsm/api/etcd';
import type { KeyRange } from './etcd-keys.js';
import type { EtcdSession } from './etcd-session.js';

/** Records in one call. */
const pageLength = 500n;
/** Milliseconds for one of them. */
const pageWithinMs = 10_000;

export interface Page {
  readonly revision: bigint;
  readonly kvs: readonly KeyValue[];
}

/** Pages of one moment, of which there is at least one. */
export async function* pagesOf(
  session: EtcdSession,
  { key: first, rangeEnd }: KeyRange,
): AsyncGenerator<Page> {
  let revision = 0n;
  for (let key = first; ; ) {
    const { header, kvs, more } = await session.range(
      { key, rangeEnd, limit: pageLength, revision },
      pageWithinMs,
    );
    revision ||= header?.revision ?? 0n;
    yield { revision, kvs };
    const last = kvs.at(-1);
    if (!more || !last) return;
    key = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
