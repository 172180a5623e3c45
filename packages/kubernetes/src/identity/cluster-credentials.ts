// The certificate of a manager in a pod: asked of the cluster's signer, kept in the state folder, and renewed.
import { randomUUID, type X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Credential, NsmError } from '@nsm/api';
import { certificateSigningRequests, configMaps, KubeClient, type KubeConfig } from '@nsm/kube-client';
import {
  certificatesFromPem,
  credentialFrom,
  credentialOfKept,
  isDue,
  keep,
  makeRequest,
  newKey,
  type Owner,
  type PkiLogger,
  RenewedCredentials,
  readKept,
} from '@nsm/pki';
import { authorityName, signerOf, toRequestPem, usages } from './request.js';

const lookEveryMs = 60_000;
/** Milliseconds between two looks until the mesh's authority is known: a mesh that is installed anew makes it while its managers begin. */
const compareEveryMs = 2000;
/** Milliseconds between two looks at whether a request was answered. */
const askEveryMs = 500;
/** Milliseconds after which the log is told what is waited for. */
const patienceMs = 5000;
const sourceOf = ({ namespace }: KubeConfig): string => `signer ${signerOf(namespace)}`;

export class ClusterCredentials extends RenewedCredentials {
  readonly source: string;
  readonly #config: KubeConfig;
  readonly #folder: string;
  readonly #owner: Owner;
  readonly #ended = new AbortController();
  /** The cluster has told of the mesh's authority, in this life. */
  #compared = false;

  private constructor(
    config: KubeConfig,
    folder: string,
    first: Credential,
    owner: Owner,
    logger: PkiLogger,
  ) {
    super(first, lookEveryMs, logger);
    this.source = sourceOf(config);
    this.#config = config;
    this.#folder = folder;
    this.#owner = owner;
  }

  /**
   * What is kept, or what the signer gives: waits until there is a signer.
   * @param config whose namespace is that of the managers.
   * @throws NsmError `untrusted` when the signer refuses, or the certificate is for another name.
   */
  static async open(
    config: KubeConfig,
    stateDir: string,
    owner: Owner,
    logger: PkiLogger,
  ): Promise<ClusterCredentials> {
    const folder = join(stateDir, 'cluster-identity');
    const source = sourceOf(config);
    let credential = usable(folder, owner);
    if (!credential) {
      const late = setTimeout(() => {
        const task = 'nsm kubernetes signer';
        logger.warn({ source }, `no certificate yet: waiting for ${task}`);
      }, patienceMs);
      try {
        credential = await ask(config, owner, Number.POSITIVE_INFINITY);
      } finally {
        clearTimeout(late);
      }
      keep(folder, source, credential);
    }
    const credentials = new ClusterCredentials(config, folder, credential, owner, logger);
    void credentials.#compare();
    return credentials;
  }

  override [Symbol.dispose](): void {
    this.#ended.abort();
    super[Symbol.dispose]();
  }

  async #compare(): Promise<void> {
    for (;;) {
      await this.look();
      if (this.#compared || this.#ended.signal.aborted) return;
      await sleep(compareEveryMs, undefined, { ref: false });
    }
  }

  protected override async renew(current: X509Certificate): Promise<Credential | undefined> {
    const matches = await isOfAuthority(this.#config, current);
    this.#compared ||= matches !== undefined;
    if (!isDue(current) && matches !== false) return undefined;
    const credential = await ask(this.#config, this.#owner, lookEveryMs / 2);
    keep(this.#folder, this.source, credential);
    return credential;
  }
}

function usable(folder: string, owner: Owner): Credential | undefined {
  try {
    const kept = readKept(folder);
    return kept && credentialOfKept(kept, owner);
  } catch {
    // A new one takes its place.
    return undefined;
  }
}

/**
 * Whether the authority of the mesh is the one that signed: a mesh that was installed anew has another, of which certificates that nodes
 * kept know nothing. Undefined while the API server or the authority is away.
 */
async function isOfAuthority(config: KubeConfig, certificate: X509Certificate): Promise<boolean | undefined> {
  const kube = new KubeClient(config);
  try {
    const { data = {} } = await kube.get(configMaps, { name: authorityName, namespace: config.namespace });
    return certificatesFromPem(data['ca.crt'] ?? '').some(({ publicKey }) => certificate.verify(publicKey));
  } catch {
    return undefined;
  } finally {
    kube.stop();
  }
}

/** Over a connection of its own: it is not needed between two certificates. */
async function ask(config: KubeConfig, owner: Owner, waitMs: number): Promise<Credential> {
  const kube = new KubeClient(config);
  try {
    return await askOver(kube, config, owner, waitMs);
  } finally {
    kube.stop();
  }
}

async function askOver(
  kube: KubeClient,
  config: KubeConfig,
  owner: Owner,
  waitMs: number,
): Promise<Credential> {
  const source = sourceOf(config);
  const { namespace } = config;
  const signerName = signerOf(namespace);
  const key = newKey();
  const name = `nsm-manager-${randomUUID()}`;
  await kube.create(certificateSigningRequests, {
    metadata: { name },
    spec: { request: Buffer.from(toRequestPem(makeRequest(key))).toString('base64'), signerName, usages },
  });
  for (const deadline = performance.now() + waitMs; ; await sleep(askEveryMs)) {
    const { status } = await kube.get(certificateSigningRequests, { name });
    const refusal = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
    if (refusal)
      throw new NsmError(
        'untrusted',
        `${source} gives no certificate: ${refusal.message ?? refusal.reason ?? ''}`,
      );
    if (status?.certificate) {
      const chain = certificatesFromPem(Buffer.from(status.certificate, 'base64').toString('utf8'));
      const { data = {} } = await kube.get(configMaps, { name: authorityName, namespace });
      const authorities = certificatesFromPem(data['ca.crt'] ?? '');
      if (!chain[0].checkPrivateKey(key))
        throw new NsmError('untrusted', `${source} gave a certificate for another key`);
      return credentialFrom({ chain, key, authorities }, owner, source);
    }
    if (performance.now() > deadline)
      throw new NsmError('unavailable', `${source} does not answer: is nsm kubernetes signer running?`);
  }
}
