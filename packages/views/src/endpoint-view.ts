// What a manager tells of an endpoint, and of one that a request is weighed against.
import { type admin, interfaceName, type NetworkServiceEndpoint } from '@nsm/api';

export interface EndpointView {
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly manager: string;
  readonly interfaces: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly prefixes: readonly string[];
  readonly socket: string;
}

export function endpointView(endpoint: NetworkServiceEndpoint | undefined): EndpointView {
  return {
    name: endpoint?.nseProviderName ?? '',
    namespace: endpoint?.nseProviderNamespace || 'default',
    service: endpoint?.networkServiceName ?? '',
    manager: endpoint?.networkServiceHost ?? '',
    interfaces: (endpoint?.interface ?? []).map(({ type }) => interfaceName(type)),
    labels: endpoint?.labels?.selector ?? {},
    prefixes: endpoint?.prefixes ?? [],
    socket: endpoint?.socketLocation ?? '',
  };
}

/** An endpoint as a manager knows it now. */
export interface ListedEndpointView extends EndpointView {
  /** Why it would not be chosen now; '' when it would. */
  readonly unavailable: string;
}

export function listedEndpointView({ endpoint, unavailable }: admin.Endpoint): ListedEndpointView {
  return { ...endpointView(endpoint), unavailable };
}

export interface CandidateView extends EndpointView {
  /** 1 is chosen first; 0 means dropped. */
  readonly rank: number;
  readonly reason: string;
  /** Of the policy, the one that decided; '' without a policy. */
  readonly rule: string;
}

export function candidateView(candidate: admin.Candidate): CandidateView {
  const { endpoint, rank, reason, rule } = candidate;
  return { ...endpointView(endpoint), rank, reason, rule };
}
