// Certificates for managers on the cluster of KUBECONFIG: a manager's pod gets that of its node, and nobody else any.
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  certificateSigningRequests,
  configMaps,
  KubeClient,
  type KubeConfig,
  loadKubeConfig,
  namespaces,
  nodes,
  pods,
} from '@nsm/kube-client';
import { Authority, credentialFrom, keep, makeRequest, newKey } from '@nsm/pki';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClusterCredentials } from './cluster-credentials.js';
import { authorityName, signerOf, toRequestPem, usages } from './request.js';
import { Signer } from './signer.js';

const home = `nsm-test-signer-${process.pid}`;
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const stateDir = mkdtempSync(join(tmpdir(), 'nsm-signer-'));
let kube: KubeClient;
let signer: Signer;
let config: KubeConfig;
let node = '';

/** Rights as the chart grants them to managers. */
const rights = [
  {
    kind: 'ClusterRole',
    rules: [
      {
        apiGroups: ['certificates.k8s.io'],
        resources: ['certificatesigningrequests'],
        verbs: ['create', 'get'],
      },
    ],
  },
  {
    kind: 'Role',
    rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['nsm-authority'], verbs: ['get'] }],
  },
];

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const placeOf = (kind: string): string => (kind === 'Role' ? `${rbac}/namespaces/${home}` : rbac);

/** As a process in a pod of the managers' account is: with a token that is bound to the pod. */
async function asManager(pod: string): Promise<KubeConfig> {
  const path = `/api/v1/namespaces/${home}/serviceaccounts/nsm-manager/token`;
  const { metadata } = await kube.get(pods, { name: pod, namespace: home });
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: pod, uid: metadata.uid };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { boundObjectRef } };
  const { status } = await kube.request<{ status: { token: string } }>('POST', path, { body });
  return { ...config, namespace: home, credentials: { token: async () => status.token } };
}

beforeAll(async () => {
  config = await loadKubeConfig();
  kube = new KubeClient(config);
  await kube.list(nodes, {}, ([first]) => {
    node = first?.metadata.name ?? '';
  });
  await kube.apply(namespaces, { metadata: { name: home } });
  await kube.request('POST', `/api/v1/namespaces/${home}/serviceaccounts`, {
    body: { metadata: { name: 'nsm-manager' } },
  });
  for (const { kind, rules } of rights) {
    const metadata = { name: home };
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind, name: home };
    const subjects = [{ kind: 'ServiceAccount', name: 'nsm-manager', namespace: home }];
    await kube.request('POST', `${placeOf(kind)}/${kind.toLowerCase()}s`, { body: { metadata, rules } });
    await kube.request('POST', `${placeOf(kind)}/${kind.toLowerCase()}bindings`, {
      body: { metadata, roleRef, subjects },
    });
  }
  await kube.request('POST', `/api/v1/namespaces/${home}/pods`, {
    body: {
      metadata: { name: 'manager' },
      spec: {
        nodeName: node,
        serviceAccountName: 'nsm-manager',
        containers: [{ name: 'none', image: 'none.invalid/none' }],
      },
    },
  });
  const options = {
    namespace: home,
    account: `system:serviceaccount:${home}:nsm-manager`,
    domain: 'nsm',
    identity: 'one',
  };
  signer = new Signer({ kube, logger: quiet }, options);
  await signer.start();
});

afterAll(async () => {
  await signer?.stop();
  for (const kind of ['clusterrole', 'clusterrolebinding'])
    await kube.request('DELETE', `${rbac}/${kind}s/${home}`);
  await kube.delete(namespaces, { name: home });
  kube.stop();
  rmSync(stateDir, { recursive: true });
});

it('gives a manager the certificate of its node, which it keeps', async () => {
  const own = await asManager('manager');
  const owner = { kind: 'manager', name: node } as const;
  using credentials = await ClusterCredentials.open(own, stateDir, owner, quiet);
  expect(credentials.current.identity).toEqual({ domain: 'nsm', kind: 'manager', name: node });
  expect(credentials.current.authorities.get('nsm')?.map(({ fingerprint256 }) => fingerprint256)).toEqual(
    signer.authority.certificates.map(({ fingerprint256 }) => fingerprint256),
  );
  const nowhere = { ...own, server: { url: 'https://127.0.0.1:1' } };
  using again = await ClusterCredentials.open(nowhere, stateDir, owner, quiet);
  expect(again.current.chain).toBe(credentials.current.chain);
});

it('gives a manager another one when the mesh was installed anew, as soon as its authority is there', async () => {
  const ref = { name: authorityName, namespace: home };
  const { data = {} } = await kube.get(configMaps, ref);
  await kube.delete(configMaps, ref);
  // Of the mesh before: its certificate is kept on the node.
  const folder = join(stateDir, 'before');
  const [key, owner] = [newKey(), { kind: 'manager', name: node } as const];
  const former = Authority.inMemory('nsm');
  const own = former.issue(createPublicKey(key), owner, 86_400_000);
  const kept = credentialFrom(
    { chain: [own, ...former.certificates], key, authorities: former.certificates },
    owner,
    'before',
  );
  keep(join(folder, 'cluster-identity'), 'before', kept);
  const as = await asManager('manager');
  let asked = 0;
  const token = async (): Promise<string | undefined> => {
    asked++;
    return await as.credentials.token?.();
  };
  using credentials = await ClusterCredentials.open({ ...as, credentials: { token } }, folder, owner, quiet);
  // By then the first question has been answered: there is none.
  await expect.poll(() => asked, { timeout: 30_000 }).toBeGreaterThan(1);
  expect(credentials.current.chain).toBe(kept.chain);
  await kube.create(configMaps, { metadata: ref, data });
  await expect.poll(() => credentials.current.chain, { timeout: 30_000 }).not.toBe(kept.chain);
  expect(credentials.current.authorities.get('nsm')?.[0]?.fingerprint256).toBe(
    signer.authority.certificate.fingerprint256,
  );
});

it('gives nobody the name of another', async () => {
  const owner = { kind: 'manager', name: 'another-node' } as const;
  const open = ClusterCredentials.open(await asManager('manager'), join(stateDir, 'other'), owner, quiet);
  await expect(open).rejects.toThrow(`spiffe://nsm/manager/${node}, and this is manager another-node`);
});

it('denies the request of anybody else, and says why', async () => {
  const owner = { kind: 'manager', name: node } as const;
  const open = ClusterCredentials.open({ ...config, namespace: home }, join(stateDir, 'third'), owner, quiet);
  await expect(open).rejects.toThrow(
    `only system:serviceaccount:${home}:nsm-manager gets certificates of managers`,
  );
});

it('leaves what is for other signers alone', async () => {
  const name = `${home}-foreign`;
  const request = Buffer.from(toRequestPem(makeRequest(newKey()))).toString('base64');
  await kube.create(certificateSigningRequests, {
    metadata: { name },
    spec: { request, signerName: signerOf('another-mesh'), usages },
  });
  await expect(
    ClusterCredentials.open(
      { ...config, namespace: home },
      join(stateDir, 'third'),
      { kind: 'manager', name: node },
      quiet,
    ),
  ).rejects.toThrow('only');
  expect((await kube.get(certificateSigningRequests, { name })).status?.conditions).toBeUndefined();
  await kube.delete(certificateSigningRequests, { name });
});
