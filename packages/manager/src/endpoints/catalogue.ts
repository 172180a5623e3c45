// Who provides which network service, as far as this node knows, and in which order it would choose among them.
import { create } from '@bufbuild/protobuf';
import { LabelSchema, type NetworkServiceEndpoint } from '@nsm/api';
import { endpointKey, type Registry } from '@nsm/registry';
import { absence, type Surroundings, type Wanted } from '../choice/checks.js';
import type { EndpointHealth } from '../choice/endpoint-health.js';
import {
  type Candidate,
  type ExplainedCandidate,
  explainEndpoints,
  rankEndpoints,
  selectEndpoints,
} from '../choice/selection.js';
import type { ConnectionTable } from '../state/connection-table.js';
import type { LocalEndpoints } from './local-endpoints.js';

export interface CatalogueComponents {
  readonly registry: Pick<Registry, 'endpoints' | 'endpointsOf' | 'managers' | 'settingsOf' | 'synced'>;
  readonly endpoints: Pick<LocalEndpoints, 'isWithheld' | 'records'>;
  readonly connections: Pick<ConnectionTable, 'countOf'>;
  readonly health: EndpointHealth;
  /** Names of managers that did not answer this one's latest calls. */
  readonly peers: { readonly silent: ReadonlySet<string> };
  readonly abilities: Surroundings['abilities'];
  readonly gate: Surroundings['gate'];
}

export class Catalogue {
  readonly #components: CatalogueComponents;
  readonly #manager: string;
  /** This node's endpoints are out of service, by an operator's wish, until that is undone or the manager restarts. */
  drained = false;

  /** @param manager name of this one. */
  constructor(components: CatalogueComponents, manager: string) {
    this.#components = components;
    this.#manager = manager;
  }

  /**
   * The registry's endpoints, without those of this node that are withheld; while the registry is away also those of this node that
   * the registry has not heard of yet.
   */
  all(): readonly NetworkServiceEndpoint[] {
    const { registry, endpoints } = this.#components;
    const heard = [...registry.endpoints()].filter((record) => !endpoints.isWithheld(record));
    return withUnheard(heard, registry.synced ? [] : endpoints.records());
  }

  /** As `all`, of one network service. */
  of(service: string): readonly NetworkServiceEndpoint[] {
    const { registry, endpoints } = this.#components;
    const own = registry.synced ? [] : endpoints.records();
    return withUnheard(
      registry.endpointsOf(service).filter((record) => !endpoints.isWithheld(record)),
      own.filter(({ networkServiceName }) => networkServiceName === service),
    );
  }

  /**
   * Endpoints of this node that the mesh does not know, because a manager that is alive has one of the same name; with the name of that
   * manager.
   */
  displaced(): { readonly endpoint: NetworkServiceEndpoint; readonly by: string }[] {
    const { registry, endpoints } = this.#components;
    const hosts = new Map([...registry.endpoints()].map((one) => [endpointKey(one), one.networkServiceHost]));
    return endpoints.records().flatMap((endpoint) => {
      const by = hosts.get(endpointKey(endpoint)) ?? this.#manager;
      return by !== this.#manager && registry.managers().get(by)?.alive ? [{ endpoint, by }] : [];
    });
  }

  services(): Set<string> {
    return new Set(this.all().map(({ networkServiceName }) => networkServiceName));
  }

  /** All endpoints of a service, the best first, each with the reason for its place. */
  rank(wanted: Wanted): Candidate[] {
    return rankEndpoints(this.#withLabels(wanted), this.#surroundings(wanted.service));
  }

  /** As `rank`, with everything that each was looked at for. */
  explain(wanted: Wanted): ExplainedCandidate[] {
    return explainEndpoints(this.#withLabels(wanted), this.#surroundings(wanted.service));
  }

  /**
   * The endpoints that can take a client, the best first.
   * @throws NsmError `no-endpoint` when no endpoint provides the service, `no-matching-endpoint` when none of them fits.
   */
  select(wanted: Wanted): NetworkServiceEndpoint[] {
    return selectEndpoints(
      this.#withLabels(wanted),
      this.#surroundings(wanted.service),
      () => this.#servicesFor(wanted),
      !this.#components.registry.synced,
    );
  }

  /** What an operator asks for on behalf of all clients of the service; a client's own word counts more. */
  #withLabels(wanted: Wanted): Wanted {
    const { selector = {} } = this.#components.registry.settingsOf?.(wanted.service) ?? {};
    if (Object.keys(selector).length === 0) return wanted;
    const labels = create(LabelSchema, { selector: { ...selector, ...wanted.labels?.selector } });
    return { ...wanted, labels };
  }

  /** Names of network services that a client may ask for: it hears of no others. */
  #servicesFor({ client }: Wanted): Set<string> {
    const { gate } = this.#components;
    const endpoints = this.all().filter(
      (endpoint) => !gate.isRuled || gate.narrow(client, endpoint, []).verdict.allowed,
    );
    return new Set(endpoints.map(({ networkServiceName }) => networkServiceName));
  }

  /** Why an endpoint would not be chosen now; '' when it would. */
  unavailable(endpoint: NetworkServiceEndpoint): string {
    const { networkServiceHost: host } = endpoint;
    const { health, registry, peers } = this.#components;
    if (this.drained && host === this.#manager) return 'this node is drained';
    return health.recentFailure(endpoint) ?? absence(host, registry.managers(), peers.silent) ?? '';
  }

  #surroundings(service: string): Surroundings {
    const { registry, connections, health, abilities, gate } = this.#components;
    return {
      manager: this.#manager,
      drained: this.drained,
      gate,
      abilities,
      endpoints: this.of(service),
      managers: registry.managers(),
      connections: (endpoint) => connections.countOf(endpoint),
      recentFailure: (endpoint) => health.recentFailure(endpoint),
      lastChosen: (endpoint) => health.lastChosen(endpoint),
    };
  }
}

function withUnheard(
  heard: readonly NetworkServiceEndpoint[],
  own: readonly NetworkServiceEndpoint[],
): readonly NetworkServiceEndpoint[] {
  if (own.length === 0) return heard;
  const keys = new Set(heard.map(endpointKey));
  return [...heard, ...own.filter((record) => !keys.has(endpointKey(record)))];
}
