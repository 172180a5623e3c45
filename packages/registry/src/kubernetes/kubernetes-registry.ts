// `kubernetes:[NAMESPACE]`: the records are objects of the Kubernetes API.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { registry as wire } from '@nsm/api';
import {
  Informer,
  type InformerEvent,
  KubeClient,
  type KubeConfig,
  KubeError,
  Leadership,
} from '@nsm/kube-client';
import { CachedRegistry, type RegistryOptions } from '../following/cached-registry.js';
import type { WantedState } from '../following/wanted-state.js';
import { removalOf } from '../records/record-cache.js';
import type { ServiceSettings } from '../registry.js';
import type { Place } from './api-writes.js';
import { EndpointIndex } from './endpoint-index.js';
import { adviceOn, asRegistryError } from './explain.js';
import { keep } from './keeper.js';
import { kubernetesWriter } from './kubernetes-writer.js';
import {
  endpointObjects,
  labels,
  managerObjects,
  type ServiceObject,
  serviceObjects,
} from './mesh-objects.js';
import { objectName } from './object-names.js';
import { type KeptEndpoint, type KeptManager, keptEndpoint, keptManager } from './record-objects.js';

/** How long `start` waits for the API server, milliseconds. */
const startPatienceMs = 1000;
/** How long a write is tried, milliseconds. */
const writePatienceMs = 3000;
/** Silence after which another manager keeps the records, milliseconds. */
const keeperLeaseMs = 9000;

export interface KubernetesOptions extends RegistryOptions {
  readonly kubeConfig: KubeConfig;
  /** Of managers, leases and claims. Default: that of the configuration. */
  readonly namespace?: string;
  /** Milliseconds. Default: 9000. */
  readonly keeperLeaseMs?: number;
}

export class KubernetesRegistry extends CachedRegistry {
  protected readonly wanted: WantedState;
  readonly #kube: KubeClient;
  readonly #endpoints: Informer<KeptEndpoint>;
  readonly #managers: Informer<KeptManager>;
  readonly #services: Informer<ServiceObject>;
  readonly #leadership: Leadership;
  readonly #index = new EndpointIndex();

  constructor(url: string, options: KubernetesOptions) {
    super(url, options);
    const { kubeConfig, namespace: home = kubeConfig.namespace } = options;
    const kube = new KubeClient(kubeConfig);
    this.#kube = kube;
    const logger = {
      info: this.logger.info.bind(this.logger),
      warn: (fields: object, message: string) => this.logger.warn(advised(fields), message),
      error: this.logger.error.bind(this.logger),
    };
    this.#endpoints = new Informer<KeptEndpoint>(kube, endpointObjects, {
      keep: (object, before) => keptEndpoint(object, home, before),
      logger,
    });
    this.#managers = new Informer<KeptManager>(kube, managerObjects, {
      namespace: home,
      keep: keptManager,
      logger,
    });
    this.#services = new Informer(kube, serviceObjects, { namespace: home, logger });
    const known = {
      placeOf: (key: string): Place | undefined => {
        const { name, namespace } = this.#index.objectOf(key)?.metadata ?? {};
        return name === undefined || namespace === undefined ? undefined : { name, namespace };
      },
      manager: (name: string): wire.Manager | undefined =>
        this.#managers.get(`${home}/${objectName(name)}`)?.record,
      managers: (): number => this.#managers.size,
    };
    const writer = kubernetesWriter({ kube, url, home, logger }, known);
    this.wanted = this.wantedThrough(writer, writePatienceMs);
    const components = {
      kube,
      home,
      endpoints: this.#endpoints,
      managers: this.#managers,
      services: this.#services,
      clock: this.clock,
      logger,
    };
    this.#leadership = new Leadership(kube, {
      namespace: home,
      name: 'nsm-keeper',
      identity: `${hostname()}-${randomUUID()}`,
      leaseMs: options.keeperLeaseMs ?? keeperLeaseMs,
      lead: (ended) => keep(components, ended),
      task: 'keeps the records of the mesh',
      labels: { [labels.lease]: 'keeper' },
      logger,
    });
  }

  async start(): Promise<void> {
    this.#endpoints.watch((event) => this.#endpointChanged(event));
    this.#managers.watch((event) => this.#managerChanged(event));
    this.#managers.start();
    this.#endpoints.start();
    this.#services.start();
    this.#leadership.start();
    const informers = [this.#managers, this.#endpoints, this.#services];
    await Promise.all(informers.map((informer) => informer.whenSynced(startPatienceMs)));
  }

  async stop(): Promise<void> {
    this.wanted.stop();
    await this.#leadership.stop();
    this.#kube.stop();
    await Promise.all([this.#managers.stop(), this.#endpoints.stop(), this.#services.stop()]);
    this.cache.synced = false;
  }

  /** Of several objects for one service the one of its name counts, else any. */
  settingsOf(service: string): ServiceSettings | undefined {
    const named = [...this.#services.values()].filter(
      ({ metadata, spec }) => (spec.name ?? metadata.name) === service,
    );
    const { spec } = named.find(({ metadata }) => metadata.name === service) ?? named[0] ?? {};
    return spec && { prefixes: spec.prefixes ?? [], selector: spec.selector ?? {} };
  }

  async tellLoads(loads: ReadonlyMap<string, number>): Promise<void> {
    for (const [key, load] of loads) {
      const { metadata, status } = this.#index.objectOf(key) ?? {};
      if (!metadata || status?.load === load) continue;
      const { name, namespace = '' } = metadata;
      try {
        await this.#kube.patch(
          endpointObjects,
          { name, namespace },
          { status: { load } },
          { subresource: 'status' },
        );
      } catch (error) {
        // The object ends at this moment.
        if (!(error instanceof KubeError && error.reason === 'NotFound'))
          throw asRegistryError(this.url, error);
      }
    }
  }

  #endpointChanged(event: InformerEvent<KeptEndpoint>): void {
    if (!('object' in event)) {
      this.#follow(event.type);
      return;
    }
    const before =
      event.type === 'changed' ? event.before : event.type === 'deleted' ? event.object : undefined;
    const after = event.type === 'deleted' ? undefined : event.object;
    for (const key of this.#index.change(before, after)) {
      const record = this.#index.objectOf(key)?.record;
      if (record) this.cache.apply({ case: 'endpointPut', value: record });
      else if (before?.record) this.cache.apply(removalOf(before.record));
    }
  }

  #managerChanged(event: InformerEvent<KeptManager>): void {
    if (!('object' in event)) {
      this.#follow(event.type);
      return;
    }
    const { record } = event.object;
    if (!record) return;
    if (event.type === 'deleted') this.cache.apply({ case: 'managerRemoved', value: record.name });
    else this.cache.apply({ case: 'managerPut', value: record });
  }

  /** The copy is complete when both of its parts are. Each time that one was listed anew, something may be missing. */
  #follow(type: 'synced' | 'away'): void {
    this.cache.synced = this.#managers.synced && this.#endpoints.synced;
    if (type === 'synced' && this.cache.synced) void this.wanted.assertAll();
  }
}

/** What an operator can do, beside what went wrong. */
function advised(fields: object): object {
  return 'err' in fields && fields.err instanceof Error
    ? { ...fields, advice: adviceOn(fields.err) }
    : fields;
}
