// The mutating admission webhook: served over HTTPS with a certificate of its own, which the API server is told to believe.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import {
  Informer,
  type KubeClient,
  type KubeObject,
  type MutatingWebhookConfiguration,
  mutatingWebhookConfigurations,
  namespaces,
} from '@nsm/kube-client';
import type { Metrics } from '@nsm/observe';
import type { Logger } from 'pino';
import { keptOfNamespace } from '../pods/pod-directory.js';
import { admit } from './admit.js';
import { type AdmissionRequest, reviewOf } from './review.js';
import { WebhookAuthority } from './webhook-authority.js';
import { countReviews, type ReviewListener } from './webhook-metrics.js';

/** Bytes of a review: an object and the one before, each 1.5 MiB at most in etcd. */
const maxReviewBytes = 8 << 20;
/** Milliseconds between two looks at the certificate's time. */
const lookEveryMs = 60_000;
/** Milliseconds for which a start waits to know the annotations of namespaces. */
const patienceMs = 10_000;
/** Connections: API servers are few, and keep theirs. */
const maxConnections = 256;

export interface WebhookOptions {
  /** `HOST:PORT`. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Namespace and name of the Service that leads here. */
  readonly namespace: string;
  readonly service: string;
  /** Name of the MutatingWebhookConfiguration. */
  readonly configuration: string;
  /** The product's image, for the containers that pods get. */
  readonly image: string;
  /** The mesh's own domain. */
  readonly domain: string;
}

export interface WebhookComponents {
  readonly client: KubeClient;
  readonly logger: Logger;
  /** Where reviews are counted. Default: nowhere. */
  readonly metrics?: Metrics;
}

export class Webhook {
  readonly #components: WebhookComponents;
  readonly #options: WebhookOptions;
  #onReview: ReviewListener | undefined;
  readonly #authority: WebhookAuthority;
  readonly #namespaces: Informer<KubeObject>;
  readonly #configurations: Informer<MutatingWebhookConfiguration>;
  #server: Server | undefined;
  #renewAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(components: WebhookComponents, options: WebhookOptions) {
    const { client, logger, metrics } = components;
    const { namespace, service, configuration } = options;
    this.#components = components;
    this.#options = options;
    metrics?.add(
      countReviews((listener) => {
        this.#onReview = listener;
      }),
    );
    const name = `${service}.${namespace}.svc`;
    this.#authority = new WebhookAuthority(client, { namespace, secret: `${service}-tls`, dns: [name] });
    this.#namespaces = new Informer(client, namespaces, { keep: keptOfNamespace, logger });
    this.#configurations = new Informer(client, mutatingWebhookConfigurations, {
      fieldSelector: `metadata.name=${configuration}`,
      logger,
    });
  }

  /** TCP port that is listened on. */
  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** @throws KubeError, or Error of a port that is in use. */
  async start(): Promise<void> {
    this.#namespaces.start();
    await this.#authority.load(Date.now());
    const server = createServer(
      { minVersion: 'TLSv1.2' },
      (request, response) => void this.#serve(request, response),
    );
    server.maxConnections = maxConnections;
    server.requestTimeout = 30_000;
    this.#server = server;
    this.#renew();
    await this.#namespaces.whenSynced(patienceMs);
    const { host, port } = this.#options.listen;
    server.listen(port, host);
    await once(server, 'listening');
    // Whatever writes the configuration anew, as an upgrade does: it gets the authority again.
    this.#configurations.watch((event) => {
      if (event.type === 'added' || event.type === 'changed') void this.#beBelieved(event.object);
    });
    this.#configurations.start();
    this.#timer = setInterval(() => void this.#look(), lookEveryMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const closed = this.#server?.listening ? once(this.#server, 'close') : undefined;
    this.#server?.close();
    this.#server?.closeAllConnections();
    await Promise.all([closed, this.#namespaces.stop(), this.#configurations.stop()]);
    this.#components.client.stop();
  }

  #renew(): void {
    const { key, cert, renewAt } = this.#authority.issue(Date.now());
    this.#server?.setSecureContext({ key, cert, minVersion: 'TLSv1.2' });
    this.#renewAt = renewAt;
  }

  /** The authority is believed before a certificate of it is shown. */
  async #look(): Promise<void> {
    try {
      await this.#authority.load(Date.now());
      for (const configuration of this.#configurations.values()) await this.#beBelieved(configuration);
      if (Date.now() > this.#renewAt) this.#renew();
    } catch (error) {
      this.#components.logger.warn({ err: error }, 'the authority of the webhook could not be looked at');
    }
  }

  /** Has the API server believe the authority. */
  async #beBelieved({ metadata, webhooks = [] }: MutatingWebhookConfiguration): Promise<void> {
    const { client, logger } = this.#components;
    const value = Buffer.from(this.#authority.bundle).toString('base64');
    const patch = webhooks.flatMap(({ name, clientConfig }, index) =>
      clientConfig.caBundle === value
        ? []
        : [
            { op: 'test', path: `/webhooks/${index}/name`, value: name },
            { op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value },
          ],
    );
    if (patch.length === 0) return;
    try {
      await client.patch(mutatingWebhookConfigurations, { name: metadata.name }, patch);
      logger.info({ configuration: metadata.name }, 'the API server believes the webhook');
    } catch (error) {
      logger.warn({ err: error }, 'the API server was not told whom to believe');
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const begunAt = performance.now();
    const ended = (result: Parameters<ReviewListener>[0]): void =>
      this.#onReview?.(result, performance.now() - begunAt);
    try {
      if (request.method === 'GET' && request.url === '/healthz') return void response.end('ok');
      if (request.method !== 'POST') return refuse(response, 405);
      const text = await bodyOf(request);
      if (text === undefined) return refuse(response, 413);
      const { request: asked } = JSON.parse(text) as { readonly request: AdmissionRequest };
      const admission = admit(asked, {
        image: this.#options.image,
        // It runs from the same image.
        node: process.execPath,
        domain: this.#options.domain,
        annotationsOf: (namespace) => this.#namespaces.get(namespace)?.metadata.annotations,
      });
      if (!admission.allowed)
        this.#components.logger.info(
          { namespace: asked.namespace, kind: asked.kind.kind, reason: admission.message },
          'refused',
        );
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(reviewOf(asked.uid, admission)));
      ended(!admission.allowed ? 'refused' : admission.patch ? 'completed' : 'allowed');
    } catch (error) {
      this.#components.logger.warn({ err: error }, 'a review could not be read');
      refuse(response, 400);
      ended('failed');
    }
  }
}

function refuse(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.end();
}

/** Undefined of one that is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxReviewBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
