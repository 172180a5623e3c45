// A request that was refused, as it is kept for operators who ask after a restart.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type connect, type NamespaceIdentity, NsmError, type Subject, SubjectSchema, state } from '@nsm/api';
import type { Codec } from '@nsm/durable';

/** With all that the choice of an endpoint looks at. */
export interface Refusal
  extends Pick<connect.ConnectionRequest, 'requestId' | 'networkServiceName' | 'interface' | 'labels'> {
  readonly client: Subject;
  readonly error: NsmError;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export interface KeptRefusal extends Refusal {
  readonly pod: NamespaceIdentity;
}

export const refusalCodec: Codec<KeptRefusal> = {
  schema: 3,
  encode: ({ pod, client, error, at, requestId, networkServiceName, interface: interfaces, labels }) => {
    const request = { requestId, networkServiceName, interface: interfaces, ...(labels ? { labels } : {}) };
    const kept = { pod: { namespace: pod.inode, cookie: pod.cookie }, request, client, at };
    return toBinary(
      state.RefusalSchema,
      create(state.RefusalSchema, { ...kept, error: error.toAdmissionError() }),
    );
  },
  decode: (bytes) => {
    const { pod, request, client, error, at } = fromBinary(state.RefusalSchema, bytes);
    if (!pod || !request) throw new Error('a refusal of nobody');
    const { requestId, networkServiceName, interface: interfaces, labels } = request;
    return {
      pod: { inode: pod.namespace, cookie: pod.cookie ?? 0n },
      requestId,
      networkServiceName,
      interface: interfaces,
      at,
      ...(labels ? { labels } : {}),
      client: client ?? create(SubjectSchema),
      error: NsmError.fromAdmissionError(error, 'internal'),
    };
  },
};
