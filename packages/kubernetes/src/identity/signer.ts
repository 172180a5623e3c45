// Gives certificates to the managers of a cluster: approves their requests, or denies them, and signs.
import {
  type CertificateSigningRequest,
  certificateSigningRequests,
  Informer,
  type KubeClient,
  KubeError,
  type KubeLogger,
  Leadership,
} from '@nsm/kube-client';
import type { Meters, Metrics } from '@nsm/observe';
import { type Authority, keyOfRequest, toPem } from '@nsm/pki';
import { openAuthority } from './cluster-authority.js';
import { fromRequestPem, judge, signerOf } from './request.js';
import { signerMetrics } from './signer-metrics.js';

/** Milliseconds: a manager asks again when two thirds of it are over. */
const lifeMs = 24 * 3_600_000;
/** Milliseconds after which another signer takes over. */
const leaseMs = 15_000;

export interface SignerOptions {
  /** Of the managers, and of the authority. */
  readonly namespace: string;
  /** Service account of the managers. */
  readonly account: string;
  /** Trust domain of a new authority. */
  readonly domain: string;
  /** Of this process; no other has it. */
  readonly identity: string;
}

export interface SignerComponents {
  readonly kube: KubeClient;
  readonly logger: KubeLogger;
  /** Default: nothing is counted. */
  readonly metrics?: Metrics;
}

export class Signer {
  readonly #kube: KubeClient;
  readonly #options: SignerOptions;
  readonly #logger: KubeLogger;
  #meters: Meters<typeof signerMetrics> | undefined;
  readonly #requests: Informer<CertificateSigningRequest>;
  readonly #leadership: Leadership;
  #authority: Authority | undefined;
  #isLeading = false;
  /** One request after the other. */
  #working: Promise<void> = Promise.resolve();

  constructor({ kube, logger, metrics }: SignerComponents, options: SignerOptions) {
    this.#kube = kube;
    this.#options = options;
    this.#logger = logger;
    metrics?.add((counted) => {
      this.#meters = counted.meters(signerMetrics);
      this.#meters.leading.set(Number(this.#isLeading));
    });
    const { namespace, identity } = options;
    const fieldSelector = `spec.signerName=${signerOf(namespace)}`;
    this.#requests = new Informer(kube, certificateSigningRequests, { fieldSelector, logger });
    this.#leadership = new Leadership(kube, {
      namespace,
      name: 'nsm-signer',
      identity,
      leaseMs,
      task: 'signs the certificates of managers',
      lead: (ended) => this.#lead(ended),
      logger,
    });
  }

  /** Opens the authority, or makes it. @throws KubeError when that cannot be done. */
  async start(): Promise<void> {
    const { namespace, domain } = this.#options;
    this.#authority = await openAuthority(this.#kube, namespace, domain);
    this.#requests.watch((event) => {
      if (event.type === 'added' || event.type === 'changed') this.#take(event.object);
    });
    this.#requests.start();
    this.#leadership.start();
  }

  async stop(): Promise<void> {
    await this.#leadership.stop();
    await this.#requests.stop();
    await this.#working;
  }

  #lead(ended: AbortSignal): void {
    this.#setLeading(true);
    ended.addEventListener('abort', () => this.#setLeading(false));
    for (const request of this.#requests.values()) this.#take(request);
  }

  #setLeading(leading: boolean): void {
    this.#isLeading = leading;
    this.#meters?.leading.set(Number(leading));
  }

  #take(request: CertificateSigningRequest): void {
    const conditions = request.status?.conditions ?? [];
    const isDone =
      request.status?.certificate || conditions.some(({ type }) => type === 'Denied' || type === 'Failed');
    if (isDone || !this.#isLeading) return;
    this.#working = this.#working.then(() => this.#answer(request.metadata.name));
  }

  async #answer(name: string): Promise<void> {
    const request = this.#requests.get(name);
    if (!request || !this.#isLeading) return;
    try {
      await this.#decide(request);
    } catch (error) {
      // The request has ended, or another signer was faster. Its changes come by the watch.
      if (error instanceof KubeError && (error.status === 404 || error.status === 409)) return;
      this.#logger.warn({ request: name, err: error }, 'a request for a certificate was not answered');
      setTimeout(() => this.#take(request), 5000).unref();
    }
  }

  async #decide(request: CertificateSigningRequest): Promise<void> {
    const { name } = request.metadata;
    const judgement = judge(request, this.#options.account);
    const isApproved = request.status?.conditions?.some(({ type }) => type === 'Approved') ?? false;
    if (!judgement.allowed) {
      if (isApproved) return await this.#fail(request, judgement.reason);
      await this.#condition(request, 'Denied', 'NotAManager', judgement.reason);
      this.#meters?.requests.inc({ result: 'denied' });
      this.#logger.warn({ request: name, reason: judgement.reason }, 'a request for a certificate is denied');
      return;
    }
    const der = fromRequestPem(Buffer.from(request.spec.request, 'base64').toString('utf8'));
    let certificate: string;
    try {
      const owner = { kind: 'manager', name: judgement.name } as const;
      const { authority } = this;
      certificate = toPem([authority.issue(keyOfRequest(der), owner, lifeMs), authority.certificate]);
    } catch (error) {
      return await this.#fail(request, (error as Error).message);
    }
    if (!isApproved)
      await this.#condition(request, 'Approved', 'ManagerOfNode', `the manager of node ${judgement.name}`);
    await this.#kube.patch(
      certificateSigningRequests,
      { name },
      { status: { certificate: Buffer.from(certificate).toString('base64') } },
      { subresource: 'status' },
    );
    this.#meters?.requests.inc({ result: 'signed' });
    this.#logger.info({ request: name, manager: judgement.name }, 'a manager got a certificate');
  }

  get authority(): Authority {
    if (!this.#authority) throw new Error('the signer was not started');
    return this.#authority;
  }

  async #fail(request: CertificateSigningRequest, message: string): Promise<void> {
    const condition = { type: 'Failed', status: 'True', reason: 'CannotSign', message };
    const conditions = [...(request.status?.conditions ?? []), condition];
    const ref = { name: request.metadata.name };
    await this.#kube.patch(
      certificateSigningRequests,
      ref,
      { status: { conditions } },
      { subresource: 'status' },
    );
    this.#meters?.requests.inc({ result: 'failed' });
  }

  async #condition(
    request: CertificateSigningRequest,
    type: 'Approved' | 'Denied',
    reason: string,
    message: string,
  ): Promise<void> {
    const conditions = [
      ...(request.status?.conditions ?? []),
      { type, status: 'True' as const, reason, message, lastUpdateTime: new Date().toISOString() },
    ];
    const { managedFields: _, ...metadata } = request.metadata;
    const approved = { ...request, metadata, status: { ...request.status, conditions } };
    await this.#kube.update(certificateSigningRequests, approved, { subresource: 'approval' });
  }
}
