// The authority of the webhook's replicas: one for all, made anew in time, and believed before it is used.
import { X509Certificate } from 'node:crypto';
import { KubeError, type Secret } from '@nsm/kube-client';
import { certificatesFromPem } from '@nsm/pki';
import { expect, it } from 'vitest';
import { WebhookAuthority } from './webhook-authority.js';

const day = 24 * 3_600_000;
const now = Date.now();
const options = { namespace: 'nsm-system', secret: 'nsm-webhook-tls', dns: ['nsm-webhook.nsm-system.svc'] };

/** An API server with one Secret. */
class Secrets {
  secret: Secret | undefined;
  version = 1;

  get = async (): Promise<never> => {
    if (!this.secret) throw new KubeError('none', 404, 'NotFound');
    return this.secret as never;
  };

  create = async (_: unknown, secret: object): Promise<never> => {
    if (this.secret) throw new KubeError('there', 409, 'AlreadyExists');
    return this.#put(secret as Secret);
  };

  update = async (_: unknown, secret: object): Promise<never> => {
    if ((secret as Secret).metadata.resourceVersion !== this.secret?.metadata.resourceVersion)
      throw new KubeError('changed', 409, 'Conflict');
    return this.#put(secret as Secret);
  };

  #put(secret: Secret): never {
    this.secret = { ...secret, metadata: { ...secret.metadata, resourceVersion: String(this.version++) } };
    return this.secret as never;
  }
}

it('is one for all replicas, and what they show is believed for the name of the Service alone', async () => {
  const api = new Secrets();
  const replicas = [1, 2, 3].map(() => new WebhookAuthority(api, options));
  await Promise.all(replicas.map((one) => one.load(now)));
  const [first] = replicas;
  const [authority] = certificatesFromPem(first!.bundle);
  for (const replica of replicas) {
    expect(replica.bundle).toBe(first!.bundle);
    const { cert, key } = replica.issue(now);
    const shown = new X509Certificate(cert);
    expect(shown.verify(authority!.publicKey)).toBe(true);
    expect(shown.checkHost('nsm-webhook.nsm-system.svc')).toBe('nsm-webhook.nsm-system.svc');
    expect(shown.checkHost('other.nsm-system.svc')).toBeUndefined();
    expect(key).toContain('PRIVATE KEY');
  }
});

it('is made anew when a third of its time is left, and the former is believed until then', async () => {
  const api = new Secrets();
  const authority = new WebhookAuthority(api, options);
  await authority.load(now);
  const former = authority.bundle;
  await authority.load(now + 200 * day);
  expect(authority.bundle).toBe(former);
  const later = new WebhookAuthority(api, options);
  await later.load(now + 300 * day);
  expect(certificatesFromPem(later.bundle)).toHaveLength(2);
  expect(later.bundle).toContain(former);
  // The other replica takes it over.
  await authority.load(now + 300 * day);
  expect(authority.bundle).toBe(later.bundle);
});

it('is made anew where the Secret is broken', async () => {
  const api = new Secrets();
  api.secret = { metadata: { name: 'nsm-webhook-tls', resourceVersion: '7' }, data: { 'ca.key': 'AAAA' } };
  const authority = new WebhookAuthority(api, options);
  await authority.load(now);
  expect(certificatesFromPem(authority.bundle)).toHaveLength(1);
});
