// The chart's NetworkPolicies allow all that the mesh's pods do. Not every CNI plugin heeds them: so the nodes themselves do here, by rules
// made of those objects, and count what the objects forbid.
import { signerOf, toRequestPem, usages } from '@nsm/kubernetes/request';
import { makeRequest, newKey } from '@nsm/pki';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageNode } from './config.js';
import { eventually } from './eventually.js';
import { system } from './installation.js';
import { kubectl } from './kubectl.js';
import { type Enforced, enforce } from './network-policies.js';
import { requirePower } from './power.js';
import { TestNamespace } from './test-namespace.js';

interface Restarted {
  readonly metadata: { readonly name: string };
  readonly status: { readonly containerStatuses: readonly { readonly restartCount: number }[] };
}

describe.skipIf(!requirePower('network policies'))('under its NetworkPolicies', () => {
  let here: TestNamespace;
  let enforced: Enforced;
  beforeAll(async () => {
    here = await TestNamespace.create('policies');
    enforced = await enforce(['nsm-webhook', 'nsm-signer']);
  });
  afterAll(async () => {
    await enforced?.[Symbol.asyncDispose]();
    await here?.[Symbol.asyncDispose]();
  });

  it.each(['webhook', 'signer'])('the %s starts, and is found ready by its kubelet', async (part) => {
    for (const { metadata, status } of await system.list<Restarted>(
      'pods',
      `app.kubernetes.io/component=${part}`,
    )) {
      const restarts = 'jsonpath={.status.containerStatuses[0].restartCount}';
      const [{ restartCount = 0 } = {}] = status.containerStatuses;
      // The pod keeps its address.
      await system
        .exec(metadata.name, [imageNode, '-e', 'process.kill(1, "SIGTERM")'])
        .catch(() => undefined);
      await system.until(`pod/${metadata.name}`, `${restarts}=${restartCount + 1}`);
      await system.until(`pod/${metadata.name}`, 'condition=Ready');
    }
  });

  it('the API server reaches the webhook', async () => {
    await expect(
      kubectl(['annotate', 'namespace', here.name, 'networkservicemesh.io=karnel://x']),
    ).rejects.toThrow('column 1');
  });

  it('the signer answers requests', async () => {
    const metadata = { name: here.name };
    const spec = {
      request: Buffer.from(toRequestPem(makeRequest(newKey()))).toString('base64'),
      signerName: signerOf(system.name),
      usages,
    };
    await here.apply({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata,
      spec,
    });
    await eventually('the signer denies it', async () =>
      (await kubectl(['get', 'csr', here.name])).includes('Denied'),
    );
    await kubectl(['delete', 'csr', here.name]);
  });

  it('nothing of that is forbidden', async () => {
    expect(await enforced.refused()).toBe(0);
  });
});
