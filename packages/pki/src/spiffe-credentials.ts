// Certificate, key and authorities from the SPIFFE Workload API, such as SPIRE's agent serves: new ones come by themselves.
import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Channel, type Credential, identityOf, NsmError, parseSpiffeId, spiffe } from '@nsm/api';
import { certificatesFromDer, keyToPem, toPem } from './certificate.js';
import { type Owner, type PkiLogger, RenewedCredentials, wordsOf } from './machine-credentials.js';

/** Milliseconds for the first certificate: an agent that has just been told of this process needs some seconds. */
const firstWithinMs = 15_000;
const lookEveryMs = 60_000;
/** Pause before the next stream, milliseconds: doubles from first to last. */
const pause = { first: 200, last: 10_000 };

export class SpiffeCredentials extends RenewedCredentials {
  readonly source: string;
  readonly #stopped: AbortController;

  private constructor(socket: string, first: Credential, stopped: AbortController, logger: PkiLogger) {
    super(first, lookEveryMs, logger);
    this.source = `the SPIFFE Workload API on ${socket}`;
    this.#stopped = stopped;
  }

  /** @throws NsmError `untrusted` when no certificate for the owner comes. */
  static async open(socket: string, owner: Owner, logger: PkiLogger): Promise<SpiffeCredentials> {
    const stopped = new AbortController();
    let opened: SpiffeCredentials | undefined;
    return await new Promise<SpiffeCredentials>((resolve, reject) => {
      let last = new NsmError('unavailable', 'nothing came');
      const late = setTimeout(() => {
        stopped.abort();
        reject(
          new NsmError(
            'untrusted',
            `no certificate from the SPIFFE Workload API on ${socket}: ${last.message}`,
            last,
          ),
        );
      }, firstWithinMs);
      const took = (credential: Credential): void => {
        if (opened) {
          opened.take(credential);
          return;
        }
        clearTimeout(late);
        opened = new SpiffeCredentials(socket, credential, stopped, logger);
        resolve(opened);
      };
      let said = '';
      const failed = (error: NsmError): void => {
        last = error;
        if (error.message !== said)
          logger.warn({ socket, err: wordsOf(error) }, 'the SPIFFE Workload API gives nothing');
        said = error.message;
      };
      void follow(socket, owner, stopped.signal, took, failed);
    });
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#stopped.abort();
  }

  /** New ones come by the stream. */
  protected override async renew(current: X509Certificate): Promise<Credential | undefined> {
    if (Date.parse(current.validTo) <= Date.now())
      throw new NsmError('untrusted', 'the certificate has expired, and the Workload API has given no other');
    return undefined;
  }
}

/** One stream after the other. */
async function follow(
  socket: string,
  owner: Owner,
  signal: AbortSignal,
  took: (credential: Credential) => void,
  failed: (error: NsmError) => void,
): Promise<void> {
  using channel = new Channel(`unix:${socket}`);
  const api = channel.client(spiffe.SpiffeWorkloadAPI);
  for (let wait = pause.first; !signal.aborted; wait = Math.min(2 * wait, pause.last)) {
    try {
      // Without the header the API must refuse: it tells the call from one that a web page was made to send.
      for await (const response of api.fetchX509SVID(
        {},
        { signal, headers: { 'workload.spiffe.io': 'true' } },
      )) {
        try {
          took(credentialOf(response, owner));
          wait = pause.first;
        } catch (error) {
          failed(NsmError.from(error));
        }
      }
    } catch (error) {
      if (!signal.aborted) failed(NsmError.from(error));
    }
    await sleep(wait, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** @throws NsmError `untrusted` unless there is an identity of the owner's. */
export function credentialOf(response: spiffe.X509SVIDResponse, { kind, name }: Owner): Credential {
  const { svids, federatedBundles } = response;
  const svid = svids.find(({ spiffeId }) => {
    const identity = parseSpiffeId(spiffeId);
    return identity?.kind === kind && identity.name === name;
  });
  if (!svid)
    throw new NsmError(
      'untrusted',
      `it gives ${svids.map(({ spiffeId }) => spiffeId).join(', ') || 'no identity'}, and this is ${kind} ${name}: register spiffe://DOMAIN/${kind}/${name} for this process`,
    );
  const chain = certificatesFromDer(svid.x509Svid);
  const [own] = chain;
  const identity = own && identityOf(own);
  const key = createPrivateKey({ key: Buffer.from(svid.x509SvidKey), format: 'der', type: 'pkcs8' });
  if (!own?.checkPrivateKey(key) || identity?.kind !== kind || identity.name !== name)
    throw new NsmError('untrusted', `the certificate of ${svid.spiffeId} is not for that name and key`);
  const authorities = new Map([[identity.domain, certificatesFromDer(svid.bundle)]]);
  for (const [id, bundle] of Object.entries(federatedBundles)) {
    const domain = id.replace(/^spiffe:\/\//, '').replace(/\/$/, '');
    if (domain !== identity.domain) authorities.set(domain, certificatesFromDer(bundle));
  }
  return { identity, key: keyToPem(key), chain: toPem(chain), authorities };
}
