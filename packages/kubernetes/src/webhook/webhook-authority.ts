// The webhook's own authority: in a Secret, because all its replicas are called by one name. Each makes its certificate of it, in memory.
import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { type KubeClient, KubeError, type Secret, secrets } from '@nsm/kube-client';
import { certificatesFromPem, keyFromPem, keyToPem, makeCertificate, newKey, toPem } from '@nsm/pki';

const hourMs = 3_600_000;
const authorityMs = 365 * 24 * hourMs;
/** A certificate is as long as its replica needs it; it is made again when half of that is over. */
const certificateMs = 7 * 24 * hourMs;
/** Clocks may differ by so much. */
const toleranceMs = hourMs / 2;
const [keyName, certificateName] = ['ca.key', 'ca.crt'];

export interface WebhookAuthorityOptions {
  readonly namespace: string;
  /** Name of the Secret. */
  readonly secret: string;
  /** Names of the Service, by which the API server calls. */
  readonly dns: readonly string[];
}

/** A key and a certificate, for TLS. */
export interface ServerCertificate {
  readonly key: string;
  readonly cert: string;
  /** Milliseconds since the Unix epoch from which it is to be made again. */
  readonly renewAt: number;
}

export class WebhookAuthority {
  readonly #client: Pick<KubeClient, 'get' | 'create' | 'update'>;
  readonly #options: WebhookAuthorityOptions;
  #key: KeyObject = newKey();
  #certificates: readonly X509Certificate[] = [];

  constructor(client: Pick<KubeClient, 'get' | 'create' | 'update'>, options: WebhookAuthorityOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** PEM of those whose certificates are to be believed: while one follows another, both. */
  get bundle(): string {
    return toPem(this.#certificates);
  }

  /**
   * Takes what the Secret has, and makes a new authority where there is none or a third of its time is left; of replicas that do so at the
   * same time one succeeds, and the others take what it made.
   * @throws KubeError
   */
  async load(now: number): Promise<void> {
    const present = await this.#read();
    if (present && this.#take(present, now)) return;
    const key = newKey();
    const certificate = makeCertificate({
      publicKey: createPublicKey(key),
      commonName: `nsm webhook ${now}`,
      notBefore: new Date(now - toleranceMs),
      notAfter: new Date(now + authorityMs),
      signer: { key },
    });
    const { namespace, secret: name } = this.#options;
    const { resourceVersion } = present?.metadata ?? {};
    const trusted = this.#certificates.filter(({ validTo }) => Date.parse(validTo) > now);
    const made: Secret = {
      metadata: { name, namespace, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
      type: 'Opaque',
      data: {
        [keyName]: encoded(keyToPem(key)),
        // Two are enough: the one before has not been signed by for months.
        [certificateName]: encoded(toPem([certificate, ...trusted.slice(0, 1)])),
      },
    };
    try {
      const written = present
        ? await this.#client.update(secrets, made)
        : await this.#client.create(secrets, made);
      this.#take(written, now);
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 409) throw error;
      const others = await this.#read();
      if (!others || !this.#take(others, now)) throw error;
    }
  }

  issue(now: number): ServerCertificate {
    const key = newKey();
    const certificate = makeCertificate({
      publicKey: createPublicKey(key),
      dns: this.#options.dns,
      commonName: this.#options.dns[0] ?? '',
      notBefore: new Date(now - toleranceMs),
      notAfter: new Date(now + certificateMs),
      signer: { key: this.#key, ...(this.#certificates[0] ? { certificate: this.#certificates[0] } : {}) },
    });
    return { key: keyToPem(key), cert: toPem([certificate]), renewAt: now + certificateMs / 2 };
  }

  async #read(): Promise<Secret | undefined> {
    const { namespace, secret: name } = this.#options;
    try {
      return await this.#client.get(secrets, { name, namespace });
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** @returns whether it can go on with that. */
  #take({ data = {} }: Secret, now: number): boolean {
    try {
      const key = keyFromPem(decoded(data[keyName]));
      const certificates = certificatesFromPem(decoded(data[certificateName]));
      const [own] = certificates;
      this.#certificates = certificates;
      if (!own.checkPrivateKey(key) || Date.parse(own.validTo) - now < authorityMs / 3) return false;
      this.#key = key;
      return true;
    } catch {
      // The secret is not of this authority, or broken.
      return false;
    }
  }
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64');
}

function decoded(text = ''): string {
  return Buffer.from(text, 'base64').toString();
}
