// The policy of a cluster: its NetworkServicePolicy objects, and the services that refer to them, watched.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { NsmError, systemCodeOf } from '@nsm/api';
import { Informer, KubeClient, type KubeConfig, type KubeLogger } from '@nsm/kube-client';
import type { PolicyOrigin } from '@nsm/manager';
import {
  type PolicyObject,
  policyObjects,
  type ServiceObject,
  serviceObjects,
} from '@nsm/registry/mesh-objects';
import { composePolicy } from './compose-policy.js';

/** Milliseconds in which a start waits for the API server before it takes what was last in force. */
const patienceMs = 3000;
/** Milliseconds in which one manager or another writes down whether a policy is in force. */
const spreadMs = 5000;

interface Kept {
  readonly text?: string;
}

export class ClusterPolicy implements PolicyOrigin {
  readonly name: string;
  readonly #file: string;
  readonly #kube: KubeClient;
  readonly #policies: Informer<PolicyObject>;
  readonly #services: Informer<ServiceObject>;
  /** What was last in force, until the API server has been heard. */
  #kept: Kept | undefined;
  #error = '';
  #telling: NodeJS.Timeout | undefined;

  /**
   * @param config whose namespace is that of the policies.
   * @param file where the policy in force is kept, for starts without an API server.
   */
  constructor(config: KubeConfig, file: string, logger: KubeLogger) {
    const { namespace } = config;
    this.name = `kubernetes:${namespace}`;
    this.#file = file;
    this.#kube = new KubeClient(config);
    this.#policies = new Informer(this.#kube, policyObjects, { namespace, logger });
    this.#services = new Informer(this.#kube, serviceObjects, { namespace, logger });
  }

  /** No pod is served before the policy is known: a start waits for it, unless the last policy was kept. */
  async start(): Promise<void> {
    const informers = [this.#policies, this.#services];
    for (const informer of informers) informer.start();
    for (let patience = patienceMs; ; patience = 60_000) {
      const synced = await Promise.all(informers.map((informer) => informer.whenSynced(patience)));
      if (synced.every((each) => each)) return;
      this.#kept = this.#read();
      if (this.#kept) return;
    }
  }

  stop(): void {
    clearTimeout(this.#telling);
    for (const informer of [this.#policies, this.#services]) void informer.stop();
    this.#kube.stop();
  }

  mark(): string {
    if (this.#kept && this.#policies.synced && this.#services.synced) this.#kept = undefined;
    if (this.#kept) return 'kept';
    const versions = [...this.#policies.values()].map(
      ({ metadata: { name, uid, generation } }) => `${name} ${uid} ${generation}`,
    );
    const references = this.#references().map(({ service, policy }) => `${service} ${policy}`);
    return [...versions, '', ...references].join('\n');
  }

  text(): string | undefined {
    return this.#kept ? this.#kept.text : composePolicy(this.#policies.values(), this.#references());
  }

  judged(error: string): void {
    this.#error = error;
    if (error === '' && !this.#kept) this.#keep();
    clearTimeout(this.#telling);
    // The first of all managers writes the status; the others then see that it is written.
    this.#telling = setTimeout(() => void this.#tell(), Math.random() * spreadMs).unref();
  }

  async #tell(): Promise<void> {
    const message = this.#error.slice(0, 4096);
    for (const { metadata, spec, status } of this.#policies.values()) {
      const state = message === '' ? 'InForce' : 'Refused';
      const rules = Array.isArray(spec.rules) ? spec.rules.length : 0;
      const said = [status?.state, status?.message ?? '', status?.rules];
      if ([state, message, rules].every((word, index) => word === said[index])) continue;
      const { name, namespace = '' } = metadata;
      const change = { status: { state, message: message === '' ? null : message, rules } };
      // The status is for people to read; nothing depends on it.
      await this.#kube
        .patch(policyObjects, { name, namespace }, change, { subresource: 'status' })
        .catch(() => undefined);
    }
  }

  #references(): { readonly service: string; readonly policy: string }[] {
    return [...this.#services.values()].flatMap(({ metadata, spec }) =>
      spec.policy ? [{ service: spec.name ?? metadata.name, policy: spec.policy }] : [],
    );
  }

  #keep(): void {
    const text = this.text();
    const kept: Kept = text === undefined ? {} : { text };
    writeFileSync(`${this.#file}.new`, JSON.stringify(kept), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }

  #read(): Kept | undefined {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8')) as Kept;
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined;
      throw new NsmError('invalid', `${this.#file} cannot be used: ${(error as Error).message}`, error);
    }
  }
}
