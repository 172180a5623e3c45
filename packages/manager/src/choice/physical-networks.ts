// HW and SRIOV: both sides get a device of one physical network, and its wire joins them: no tunnel can, and none is needed.
import { create } from '@bufbuild/protobuf';
import {
  abbreviatedList,
  type Interface,
  InterfaceParametersSchema,
  InterfacePreference,
  InterfaceType,
  interfaceTypeName,
  interfaceTypes,
  NsmError,
  traitsOf,
} from '@nsm/api';
import { type AgreedInterfaces, inOrderOfPreference } from './negotiation.js';

/** Names of the physical networks whose devices a node can give away, by interface type. */
export type Pools = ReadonlyMap<InterfaceType, readonly string[]>;

/** Milliseconds within which the other side must answer: adapters take seconds to find their link when they come up. */
export const wireAnswersWithinMs = 6000;

export function poolOf({ parameters }: Interface): string | undefined {
  return parameters?.interfaceParameters.pool;
}

/**
 * A client's interfaces as lists to be tried one after the other: whether a device is free, and whether its wire leads to
 * the other side, shows only when the interface is tried. An interface that can be of several physical networks is a list for each.
 * @param endpoint the endpoint's interfaces, whose order counts where the client leaves the choice open.
 */
export function byPreference(
  client: readonly Interface[],
  endpoint: readonly Interface[],
  pools: Pools,
): (readonly Interface[])[] {
  if ([...pools.values()].every((names) => names.length === 0)) return [client];
  const turns: Interface[][] = [];
  let tunnelled: Interface[] | undefined;
  for (const wanted of spelledOut(client, endpoint, pools)) {
    if (traitsOf(wanted.type).hasOwnWire) {
      turns.push([wanted]);
      tunnelled = undefined;
    } else if (tunnelled) tunnelled.push(wanted);
    else {
      tunnelled = [wanted];
      turns.push(tunnelled);
    }
  }
  return turns.length > 0 ? turns : [client];
}

/** As `byPreference`, in one list: each interface is of one type, and of one physical network where the type needs one. */
export function spelledOut(
  client: readonly Interface[],
  endpoint: readonly Interface[],
  pools: Pools,
): Interface[] {
  const { DEFAULT_INTERFACE } = InterfaceType;
  const theirs = inOrderOfPreference(endpoint).map(({ type }) => type);
  const order = [...new Set([...theirs, ...interfaceTypes])].filter((type) => type !== DEFAULT_INTERFACE);
  return inOrderOfPreference(client)
    .flatMap((wanted) =>
      wanted.type === DEFAULT_INTERFACE ? order.map((type) => ({ ...wanted, type })) : [wanted],
    )
    .map((one) => ({ ...one, preference: InterfacePreference.NO_PREFERENCE }))
    .flatMap((wanted) => (traitsOf(wanted.type).hasOwnWire ? inPools(wanted, pools) : [wanted]));
}

/** The interface once for each pool it may be of: the pool it names, or each pool of this node. */
function inPools(wanted: Interface, pools: Pools): Interface[] {
  const named = poolOf(wanted);
  const possible = named === undefined ? (pools.get(wanted.type) ?? []) : [named];
  return possible.map((pool) => withParameters(wanted, { pool }));
}

/**
 * Brings the endpoint's side onto the physical network that the client's side names; an interface that needs none is left as it is.
 * @throws NsmError `no-common-interface` when this node is not on it, or the endpoint wants another.
 */
export function onOneNetwork(agreed: AgreedInterfaces, pools: Pools): AgreedInterfaces {
  const { client, endpoint } = agreed;
  if (!traitsOf(client.type).hasOwnWire) return agreed;
  const type = interfaceTypeName(client.type);
  const pool = poolOf(client) ?? '';
  const own = pools.get(client.type) ?? [];
  const known = own.length === 0 ? 'no pool' : `pool ${abbreviatedList(own.map((name) => `"${name}"`))}`;
  const problem = `no tunnel joins ${type}, so both sides must be on physical network "${pool}"`;
  if (!own.includes(pool))
    throw new NsmError('no-common-interface', `${problem}, and this node has ${known} of that type`);
  const theirs = poolOf(endpoint) ?? pool;
  if (theirs !== pool)
    throw new NsmError('no-common-interface', `${problem}, and the endpoint wants pool "${theirs}"`);
  const mtu = client.parameters?.interfaceParameters.mtu;
  return {
    client,
    endpoint: withParameters(endpoint, { pool, ...(mtu === undefined ? {} : { mtu }) }),
  };
}

/** The interface with these parameters beside its own, or in their place. */
export function withParameters(one: Interface, parameters: Readonly<Record<string, string>>): Interface {
  const interfaceParameters = { ...one.parameters?.interfaceParameters, ...parameters };
  return { ...one, parameters: create(InterfaceParametersSchema, { interfaceParameters }) };
}
