// The registry's records as objects of Kubernetes, and back.
import { create, equals, fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import {
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  NsmError,
  registry as wire,
} from '@nsm/api';
import type { KubeObject, ObjectMeta } from '@nsm/kube-client';
import { validEndpoint, validManager } from '../records/valid-record.js';
import type { ManagerRecord } from '../registry.js';
import { type EndpointObject, type EndpointStatus, labels, type ManagerObject } from './mesh-objects.js';
import { labelValue, objectName } from './object-names.js';

/** What is kept of an endpoint's object: the record of it instead of its text, or why it is none. */
export interface KeptEndpoint extends KubeObject {
  readonly spec: JsonObject;
  readonly status?: EndpointStatus;
  readonly record?: NetworkServiceEndpoint;
  readonly refusal?: string;
}

export interface KeptManager extends KubeObject {
  readonly spec: JsonObject & { readonly leaseMs?: number };
  readonly status?: NonNullable<ManagerObject['status']>;
  readonly record?: wire.Manager;
}

const noSpec: JsonObject = {};

/**
 * @param home namespace of the managers. @param before what was kept of the object: its record is kept on where it is the same, as the
 * registry's copy has it as well. @returns what has no record, and no refusal, of an object of another mesh.
 */
export function keptEndpoint(object: EndpointObject, home: string, before?: KeptEndpoint): KeptEndpoint {
  const { name, namespace = '', resourceVersion, labels: own } = object.metadata;
  const kept = {
    metadata: { name, namespace, ...(resourceVersion && { resourceVersion }) },
    spec: noSpec,
    ...(object.status && { status: object.status }),
  };
  if ((own?.[labels.mesh] ?? home) !== home) return kept;
  try {
    const parsed = fromJson(NetworkServiceEndpointSchema, object.spec, { ignoreUnknownFields: true });
    parsed.nseProviderName ||= name;
    parsed.nseProviderNamespace ||= namespace;
    if (parsed.nseProviderNamespace !== namespace && namespace !== home)
      throw new NsmError(
        'invalid',
        `nseProviderNamespace is ${parsed.nseProviderNamespace}, and the object is in namespace ${namespace}`,
      );
    const [known, record] = [before?.record, validEndpoint(parsed)];
    return {
      ...kept,
      record: known && equals(NetworkServiceEndpointSchema, known, record) ? known : record,
    };
  } catch (error) {
    return { ...kept, refusal: NsmError.from(error).message };
  }
}

/** A manager whose object says nothing of a lease, and has no state, was written by hand, and counts as alive. */
export function keptManager(object: ManagerObject): KeptManager {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const { leaseMs } = object.spec;
  const metadata: ObjectMeta = {
    name,
    ...(namespace && { namespace }),
    ...(uid && { uid }),
    ...(resourceVersion && { resourceVersion }),
  };
  const kept = {
    metadata,
    spec: leaseMs === undefined ? noSpec : { leaseMs },
    ...(object.status && { status: object.status }),
  };
  try {
    const record = validManager(fromJson(wire.ManagerSchema, object.spec, { ignoreUnknownFields: true }));
    const state = object.status?.state ?? 'Alive';
    return {
      ...kept,
      record: Object.assign(record, { alive: state === 'Alive', stopped: state === 'Stopped' }),
    };
  } catch {
    return kept;
  }
}

/** @param namespace of the object, whose record may have another: that which is none of Kubernetes'. */
export function endpointObject(
  endpoint: NetworkServiceEndpoint,
  namespace: string,
  home: string,
): EndpointObject {
  return {
    metadata: {
      name: objectName(
        endpoint.nseProviderName,
        endpoint.networkServiceName,
        ...(namespace === endpoint.nseProviderNamespace ? [] : [endpoint.nseProviderNamespace]),
      ),
      namespace,
      labels: { [labels.mesh]: home, [labels.manager]: labelValue(endpoint.networkServiceHost) },
    },
    spec: toJson(NetworkServiceEndpointSchema, endpoint) as JsonObject,
  };
}

export function managerObject(manager: ManagerRecord, leaseMs: number, namespace: string): ManagerObject {
  const {
    alive: _,
    stopped: __,
    ...spec
  } = toJson(wire.ManagerSchema, create(wire.ManagerSchema, validManager(manager))) as JsonObject;
  return {
    metadata: { name: objectName(manager.name), namespace },
    spec: { ...spec, leaseMs },
  };
}
