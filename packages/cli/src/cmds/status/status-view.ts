// The state of a manager and of the mesh that it knows, as one value: the JSON of `nsm status`, and what its findings are drawn from.
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { admin } from '@nsm/api';
import {
  type CapabilityView,
  interfaceCapabilityView,
  type OnlyTunnelsView,
  onlyTunnelsView,
  type TunnelCapabilityView,
  tunnelCapabilityViews,
} from '@nsm/views/capability-view';
import { type ConnectionView, connectionView } from '@nsm/views/connection-view';
import { type ListedEndpointView, listedEndpointView } from '@nsm/views/endpoint-view';
import { type ManagerView, managerView } from '@nsm/views/manager-view';
import { type RefusalView, refusalView } from '@nsm/views/refusal-view';

/** What the admin service of a manager answers. */
export interface StatusReplies {
  readonly status: admin.ManagerStatus;
  readonly managers: admin.ListManagersReply;
  readonly services: admin.ListServicesReply;
  readonly endpoints: admin.ListEndpointsReply;
  readonly connections: admin.ListConnectionsReply;
  readonly refusals: Pick<admin.ListRefusalsReply, 'refusals'>;
}

export interface StatusView {
  readonly manager: ManagerView;
  readonly registry: string;
  readonly registrySynced: boolean;
  /** Where the certificate comes from and until when it holds; null without TLS. */
  readonly certificate: {
    readonly source: string;
    readonly validUntil: string;
    /** Why no newer one could be had; '' while there is no trouble. */
    readonly error: string;
    /** It should have been renewed by now. */
    readonly endsSoon: boolean;
  } | null;
  /** Why the forwarder does not answer; '' when it does. */
  readonly forwarderError: string;
  /** File of the policy; '' without one. */
  readonly policy: string;
  readonly policyError: string;
  readonly auditLost: number;
  readonly state: {
    readonly folder: string;
    /** Why nothing can be written to it, or to what stands in for it; '' when it can. */
    readonly error: string;
    /** A copy that is used because the folder could not be written at the start; ''. */
    readonly standIn: string;
  };
  readonly limits: readonly { readonly name: string; readonly limit: number; readonly refused: number }[];
  readonly interfaceTypes: readonly CapabilityView[];
  readonly tunnelTypes: readonly TunnelCapabilityView[];
  readonly onlyTunnels: readonly OnlyTunnelsView[];
  readonly managers: readonly ManagerView[];
  /** Names of the network services that endpoints provide. */
  readonly services: readonly string[];
  readonly endpoints: readonly ListedEndpointView[];
  readonly connections: readonly ConnectionView[];
  /** Requests of pods of this node that were refused and not served since. */
  readonly refusals: readonly RefusalView[];
}

export function statusView({
  status,
  managers,
  services,
  endpoints,
  connections,
  refusals,
}: StatusReplies): StatusView {
  const { registry, registrySynced, forwarderError, policy, policyError, capabilities } = status;
  return {
    manager: managerView(status.manager),
    registry,
    registrySynced,
    certificate: status.certificateUntil
      ? {
          source: status.certificateSource,
          validUntil: timestampDate(status.certificateUntil).toISOString(),
          error: status.certificateError,
          endsSoon: status.certificateEndsSoon,
        }
      : null,
    forwarderError,
    policy,
    policyError,
    auditLost: Number(status.auditLost),
    state: { folder: status.stateDir, error: status.stateError, standIn: status.stateStandIn },
    limits: status.limits.map(({ name, limit, refused }) => ({ name, limit, refused })),
    interfaceTypes: (capabilities?.interfaces ?? []).map(interfaceCapabilityView),
    tunnelTypes: tunnelCapabilityViews(capabilities?.tunnels ?? []),
    onlyTunnels: status.onlyTunnels.map(onlyTunnelsView),
    managers: managers.managers.map((manager) => managerView(manager, managers.silent)),
    services: services.services.map(({ name }) => name),
    endpoints: endpoints.endpoints.map(listedEndpointView),
    connections: connections.connections.map(connectionView),
    refusals: refusals.refusals.map(refusalView),
  };
}
