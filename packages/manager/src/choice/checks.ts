// What an endpoint is looked at for before a client is connected to it: one check after the other, each with its reason.
import type { Interface, Label, NetworkServiceEndpoint, registry, Subject } from '@nsm/api';
import type { Gate, Verdict } from '../policy/gate.js';
import type { Abilities } from './abilities.js';
import { type AgreedInterfaces, chooseInterfaces, interfaceList } from './negotiation.js';
import { spelledOut } from './physical-networks.js';

export interface Wanted {
  readonly service: string;
  readonly labels: Label | undefined;
  readonly interfaces: readonly Interface[];
  /** The client; absent: only what the policy says of the endpoints counts. */
  readonly client?: Subject | undefined;
  /** The client was connected to an endpoint of root: without a policy no other user's endpoint takes that place. */
  readonly needsTrust?: boolean | undefined;
}

/** What the choice depends on besides the request: the registry's records and what this manager has seen. */
export interface Surroundings {
  readonly manager: string;
  /** The endpoints of this node are out of service. */
  readonly drained: boolean;
  readonly endpoints: readonly NetworkServiceEndpoint[];
  readonly managers: ReadonlyMap<string, registry.Manager>;
  /** What this node can join, cannot do, and has for pods. */
  readonly abilities: Pick<Abilities, 'wirings' | 'missingCapabilities' | 'physical'>;
  readonly gate: Pick<Gate, 'narrow' | 'admitUnprovided' | 'recordDenial' | 'isRuled'>;
  connections(endpoint: NetworkServiceEndpoint): number;
  recentFailure(endpoint: NetworkServiceEndpoint): string | undefined;
  /** The number of the choice that last fell on the endpoint, counted over all endpoints; 0: never. */
  lastChosen(endpoint: NetworkServiceEndpoint): number;
}

/** A check that a candidate passes or not. The words are made only when they are read. */
export type Check = { readonly passed: boolean; readonly text: () => string } & (
  | { readonly about: 'policy'; readonly verdict: Verdict; readonly allowed: readonly Interface[] }
  | { readonly about: 'labels'; readonly labels: readonly LabelMatch[] }
  | { readonly about: 'interfaces'; readonly agreed: AgreedInterfaces | undefined }
  | { readonly about: 'provider' | 'node' }
);

export interface LabelMatch {
  readonly key: string;
  readonly wanted: string;
  /** Undefined: the endpoint has no such label. */
  readonly has: string | undefined;
}

/**
 * Why the manager of an endpoint cannot be asked, if it cannot.
 * @param silent names of managers that did not answer this one's latest calls. Default: none.
 */
export function absence(
  name: string,
  managers: Surroundings['managers'],
  silent: ReadonlySet<string> = new Set(),
): string | undefined {
  const manager = managers.get(name);
  if (!manager) return `manager "${name}" is not registered`;
  if (manager.alive && !silent.has(name)) return manager.drained ? `manager "${name}" is drained` : undefined;
  return manager.stopped ? `manager "${name}" was stopped` : `manager "${name}" does not answer`;
}

/** The checks of a candidate, the policy first: of a candidate that the policy denies nothing else is told. */
export function* checksOf(
  endpoint: NetworkServiceEndpoint,
  wanted: Wanted,
  around: Surroundings,
  trustedOnly: boolean,
): Generator<Check> {
  const { gate, abilities } = around;
  const asked = gate.isRuled
    ? spelledOut(wanted.interfaces, endpoint.interface, abilities.physical)
    : wanted.interfaces;
  const { interfaces, verdict } = gate.narrow(wanted.client, endpoint, asked);
  yield {
    about: 'policy',
    passed: verdict.allowed,
    text: () =>
      verdict.reason || (gate.isRuled ? `allowed by rule "${verdict.rule}"` : 'no policy is in force'),
    verdict,
    allowed: interfaces,
  };
  yield checkProvider(endpoint, trustedOnly);
  yield checkLabels(endpoint, wanted);
  yield checkNode(endpoint, around);
  yield checkInterfaces(endpoint, wanted, verdict.allowed ? interfaces : asked, around);
}

function checkProvider({ provider }: NetworkServiceEndpoint, trustedOnly: boolean): Check {
  const who = `${provider?.uid === 0 ? 'root' : `user ${provider?.uid ?? 'unknown'}`} provides it`;
  const passed = !trustedOnly || provider?.trusted === true;
  return {
    about: 'provider',
    passed,
    text: () => (passed ? who : `${who}, and root provides the service too; a policy can allow it`),
  };
}

function checkLabels({ labels }: NetworkServiceEndpoint, wanted: Wanted): Check {
  const has = labels?.selector ?? {};
  const matches = Object.entries(wanted.labels?.selector ?? {}).map(([key, value]) => ({
    key,
    wanted: value,
    has: Object.hasOwn(has, key) ? has[key] : undefined,
  }));
  const missing = matches.filter((one) => one.has !== one.wanted);
  return {
    about: 'labels',
    passed: missing.length === 0,
    text: () => {
      if (matches.length === 0) return 'none is asked for';
      if (missing.length === 0) return `${matches.map(({ key, wanted }) => `${key}=${wanted}`).join(', ')}`;
      return `label ${missing.map((one) => `${one.key}=${one.wanted} (has ${one.has ?? 'none'})`).join(', ')} does not match`;
    },
    labels: matches,
  };
}

function checkNode(endpoint: NetworkServiceEndpoint, around: Surroundings): Check {
  const host = endpoint.networkServiceHost;
  const local = isLocal(endpoint, around);
  const absent = local ? undefined : absence(host, around.managers);
  const inTheWay = local ? (around.drained ? 'this node is drained' : '') : absent ? `its ${absent}` : '';
  return {
    about: 'node',
    passed: inTheWay === '',
    text: () => inTheWay || (local ? 'this node' : `${host}, whose manager is alive`),
  };
}

function checkInterfaces(
  endpoint: NetworkServiceEndpoint,
  wanted: Wanted,
  interfaces: readonly Interface[],
  around: Surroundings,
): Check {
  const { wirings, missingCapabilities } = around.abilities;
  const local = isLocal(endpoint, around);
  // What the other node can do with the endpoint's types is its manager's to say.
  const joined = local ? wirings.locally : wirings.remotely;
  const agreed = chooseInterfaces(interfaces, endpoint.interface, joined);
  return {
    about: 'interfaces',
    passed: agreed !== undefined,
    text: () => {
      if (agreed) return `${interfaceList([agreed.client])} to ${interfaceList([agreed.endpoint])}`;
      const asked = new Set(wanted.interfaces.map(({ type }) => type));
      const reasons = missingCapabilities.ofInterfaces(asked, local ? 'locally' : 'tunnelled');
      return (
        `no interface types that can be joined: the client asks for ${interfaceList(wanted.interfaces)}, the endpoint offers ` +
        `${interfaceList(endpoint.interface)}, this node can join ${local ? wirings.list('locally') : `${wirings.list('tunnelled')} to another node`}${reasons}`
      );
    },
    agreed,
  };
}

export function isLocal({ networkServiceHost }: NetworkServiceEndpoint, { manager }: Surroundings): boolean {
  return networkServiceHost === manager;
}
