// How many endpoints a pod, or a user in all pods, may have, and how many bytes all managers keep of them.
import { toBinary } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NetworkServiceEndpointSchema, type PeerCredentials } from '@nsm/api';
import type { RuledLimit } from '@nsm/policy';
import type { Shares } from '../admission/shares.js';
import { ruledBy } from '../policy/gate.js';
import { isSameNamespace } from '../state/namespace-identity.js';
import type { Advertised } from './admit-advertisement.js';
import type { LocalEndpoints } from './local-endpoints.js';

export interface SharesComponents {
  readonly endpoints: LocalEndpoints;
  readonly shares: Pick<Shares, 'require'>;
}

/** @throws NsmError `overload` when these are more endpoints than the pod, or its user, may have. */
export function requireShare(
  { shares, endpoints }: SharesComponents,
  listener: PeerCredentials,
  advertised: readonly Advertised[],
): void {
  const wanted = new Set(advertised.map(({ key }) => key));
  const had = { pod: { count: 0, bytes: 0 }, user: { count: 0, bytes: 0 } };
  for (const [key, { record, socket }] of endpoints) {
    if (wanted.has(key)) continue;
    const bytes = bytesOf(record);
    const { namespace, uid } = socket.listener;
    const holders = [
      ...(isSameNamespace(namespace, listener.namespace) ? [had.pod] : []),
      ...(uid === listener.uid ? [had.user] : []),
    ];
    for (const holder of holders) {
      holder.count++;
      holder.bytes += bytes;
    }
  }
  const more = advertised.reduce((sum, { record }) => sum + bytesOf(record), 0);
  const { pod, user } = had;
  const least = (what: 'endpoints' | 'endpointBytes'): RuledLimit | undefined =>
    advertised
      .flatMap(({ ruled }) => ruledBy(ruled, what) ?? [])
      .toSorted((one, other) => one.limit - other.limit)[0];
  shares.require(
    'endpoints',
    listener,
    { pod: pod.count, user: user.count },
    { more: advertised.length, ruled: least('endpoints') },
  );
  shares.require(
    'endpointBytes',
    listener,
    { pod: pod.bytes, user: user.bytes },
    { more, ruled: least('endpointBytes') },
  );
}

const measured = new WeakMap<NetworkServiceEndpoint, number>();

function bytesOf(record: NetworkServiceEndpoint): number {
  const bytes = measured.get(record) ?? toBinary(NetworkServiceEndpointSchema, record).length;
  measured.set(record, bytes);
  return bytes;
}
