// How many endpoints a pod, or a user in all pods, may have, on how many sockets, and how many bytes all managers keep of them.
import { toBinary } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NetworkServiceEndpointSchema, type PeerCredentials } from '@nsm/api';
import type { RuledLimit } from '@nsm/policy';
import type { Shares } from '../admission/shares.js';
import { ruledBy } from '../policy/gate.js';
import { holderNames } from '../state/holder.js';
import { isSameNamespace } from '../state/namespace-identity.js';
import type { Advertised } from './admit-advertisement.js';
import type { LocalEndpoint, LocalEndpoints } from './local-endpoints.js';

interface EndpointSharesComponents {
  readonly endpoints: LocalEndpoints;
  readonly shares: Pick<Shares, 'require'>;
}

type Counts = Readonly<Record<'endpoints' | 'endpointBytes' | 'endpointSockets', number>>;

/** @throws NsmError `overload` when these are more endpoints than a pod of theirs, or its user, may have. */
export function requireShares(components: EndpointSharesComponents, advertised: readonly Advertised[]): void {
  const wanted = new Set(advertised.map(({ key }) => key));
  const had = [...components.endpoints].filter(([key]) => !wanted.has(key)).map(([, present]) => present);
  // Those of one pod and user are one, however many sockets and processes they have.
  const holders = new Map(advertised.map(({ listener }) => [holderNames(listener).join(), listener]));
  for (const [name, holder] of holders) {
    const own = advertised.filter(({ listener }) => holderNames(listener).join() === name);
    requireShare(components, holder, had, own);
  }
}

function requireShare(
  { shares }: EndpointSharesComponents,
  holder: PeerCredentials,
  present: readonly LocalEndpoint[],
  advertised: readonly Advertised[],
): void {
  const had = {
    pod: countsOf(
      present.filter(({ socket }) => isSameNamespace(socket.listener.namespace, holder.namespace)),
    ),
    user: countsOf(present.filter(({ socket }) => socket.listener.uid === holder.uid)),
  };
  const more = countsOf(advertised);
  const open = new Set(present.map(({ record }) => record.socketLocation));
  const opened = advertised.filter(({ record }) => !open.has(record.socketLocation));
  const asked: Counts = { ...more, endpointSockets: countsOf(opened).endpointSockets };
  for (const what of ['endpoints', 'endpointBytes', 'endpointSockets'] as const) {
    const ruled: RuledLimit | undefined = advertised
      .flatMap((one) => ruledBy(one.ruled, what) ?? [])
      .toSorted((one, other) => one.limit - other.limit)[0];
    shares.require(what, holder, { pod: had.pod[what], user: had.user[what] }, { more: asked[what], ruled });
  }
}

function countsOf(endpoints: readonly { readonly record: NetworkServiceEndpoint }[]): Counts {
  return {
    endpoints: endpoints.length,
    endpointBytes: endpoints.reduce((sum, { record }) => sum + bytesOf(record), 0),
    endpointSockets: new Set(endpoints.map(({ record }) => record.socketLocation)).size,
  };
}

const measured = new WeakMap<NetworkServiceEndpoint, number>();

function bytesOf(record: NetworkServiceEndpoint): number {
  const bytes = measured.get(record) ?? toBinary(NetworkServiceEndpointSchema, record).length;
  measured.set(record, bytes);
  return bytes;
}
