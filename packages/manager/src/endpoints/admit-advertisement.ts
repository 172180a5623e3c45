// What an endpoint says of itself, and whether it may.
import {
  maxServices,
  type NetworkServiceEndpoint,
  NsmError,
  type PeerCredentials,
  type Subject,
} from '@nsm/api';
import { endpointKey, type Registry } from '@nsm/registry';
import { admitEndpoint } from '../admission/admission.js';
import type { NamespaceGuard } from '../admission/namespace-guard.js';
import type { Gate, Verdict } from '../policy/gate.js';
import type { Subjects } from '../policy/subjects.js';
import { seenFrom } from './seen-from.js';
import { identifyListener, type ListenerComponents } from './socket-listener.js';

export interface AdvertisementComponents extends ListenerComponents {
  readonly guard: Pick<NamespaceGuard, 'maySpeakFor' | 'ownsNode' | 'requireKnown' | 'speaksForOthers'>;
  readonly subjects: Pick<Subjects, 'of'>;
  readonly gate: Pick<Gate, 'admitProvider'>;
  readonly registry: Pick<Registry, 'settingsOf'>;
}

export interface AdvertisementOptions {
  readonly manager: string;
  /** Configured for network services, under '' for all others. */
  readonly prefixes: ReadonlyMap<string, readonly string[]>;
}

/** An endpoint's record as the mesh is to see it, and the process that serves the endpoint. */
export interface Advertised {
  readonly key: string;
  readonly record: NetworkServiceEndpoint;
  readonly listener: PeerCredentials;
  /** What the policy lets the pod have, in the manager's stead. */
  readonly ruled: Pick<Verdict, 'limits' | 'rule'>;
}

/**
 * Each endpoint once: of several with one key the last counts.
 * @throws NsmError `invalid`, `endpoint-unreachable`, `namespace-foreign` when another pod's process listens on a socket, or `policy`.
 */
export async function admitAdvertisement(
  components: AdvertisementComponents,
  { manager, prefixes }: AdvertisementOptions,
  endpoints: readonly NetworkServiceEndpoint[],
  peer: PeerCredentials | undefined,
): Promise<readonly Advertised[]> {
  if (endpoints.length === 0)
    throw new NsmError('invalid', 'network_endpoint is empty: advertise at least one endpoint');
  if (endpoints.length > maxServices)
    throw new NsmError(
      'invalid',
      `network_endpoint has ${endpoints.length} entries; at most ${maxServices} are accepted in one advertisement`,
    );
  for (const endpoint of endpoints) admitEndpoint(endpoint, manager);
  const speakers = new Map<string, Speaker>();
  for (const path of new Set(endpoints.map(({ socketLocation }) => socketLocation)))
    speakers.set(path, await admitSpeaker(components, path, peer));
  const admitted = new Map<string, Advertised>();
  for (const endpoint of endpoints) {
    const speaker = speakers.get(endpoint.socketLocation);
    if (!speaker) continue;
    const { listener, provider, socketLocation } = speaker;
    const service = endpoint.networkServiceName;
    const said = components.registry.settingsOf?.(service)?.prefixes ?? [];
    const forAll = said.length > 0 ? said : (prefixes.get('') ?? []);
    const configured = prefixes.get(service) ?? forAll;
    // Other managers allocate from them, and they may be configured here alone.
    const ofService = endpoint.prefixes.length > 0 ? endpoint.prefixes : [...configured];
    const record = {
      ...endpoint,
      socketLocation,
      networkServiceHost: manager,
      prefixes: ofService,
      provider,
    };
    const key = endpointKey(record);
    const verdict = components.gate.admitProvider(record);
    // The same advertisement again changes nothing, from whichever process.
    const lasting = { ...record, provider: { ...provider, pid: 0 } };
    admitted.set(key, { key, record: lasting, listener, ruled: verdict });
  }
  return [...admitted.values()];
}

interface Speaker {
  /** The path by which this manager reaches the socket. */
  readonly socketLocation: string;
  readonly listener: PeerCredentials;
  readonly provider: Subject;
}

/**
 * A caller that advertises must be where the endpoint's socket is served from, or be allowed to speak for others. The path is one of this
 * manager's files or, where that is none of the caller's sockets, of the caller's own: a pod has a root of its own.
 */
async function admitSpeaker(
  components: AdvertisementComponents,
  path: string,
  peer: PeerCredentials | undefined,
): Promise<Speaker> {
  const theirs = peer && seenFrom(peer, path);
  try {
    return await speakerOn(components, path, peer).catch(async (first: unknown) => {
      if (theirs === undefined) throw first;
      return await speakerOn(components, theirs, peer).catch((second: unknown) => {
        throw NsmError.from(second).kind === 'endpoint-unreachable' ? first : second;
      });
    });
  } catch (thrown) {
    throw peer && !components.guard.ownsNode(peer) ? untold(path, NsmError.from(thrown)) : thrown;
  }
}

/** The manager sees files and sockets that the caller does not: which there are, and what they are, is not told by how it fails. */
function untold(path: string, error: NsmError): NsmError {
  if (error.kind !== 'endpoint-unreachable') return error;
  return new NsmError(
    'endpoint-unreachable',
    `no process of this network namespace answers on socket_location ${path}, on the node itself none of this user: serve it before ` +
      'advertising, and name the socket itself, not a symbolic link to it; the manager must be allowed to open it; an endpoint with a ' +
      'private /tmp or a root of its own must put it where both see it, such as a folder below --run-dir',
    error,
  );
}

async function speakerOn(
  components: AdvertisementComponents,
  path: string,
  peer: PeerCredentials | undefined,
): Promise<Speaker> {
  const { guard, subjects } = components;
  const listener = await identifyListener(components, path, true);
  guard.requireKnown(listener);
  if (guard.maySpeakFor(peer, listener)) {
    // A user who advertises the socket of another user's process makes no services of that user.
    const vouches = peer === undefined || peer.uid === 0 || guard.speaksForOthers(peer);
    const provider = subjects.of(vouches ? listener : peer, listener.namespace ?? { inode: 0, cookie: 0n });
    return { socketLocation: path, listener, provider };
  }
  throw new NsmError(
    'endpoint-unreachable',
    `socket_location ${path} is served from another network namespace, or by another user of the node; advertise it from there`,
  );
}
