// Facts of a cluster, asked of its API: what may be done there, what is installed, and who answers.
import { deadline } from '@nsm/api';
import {
  certificateSigningRequests,
  endpointSlices,
  type KubeClient,
  KubeError,
  type KubeObject,
  mutatingWebhookConfigurations,
  type Node,
  nodes,
  type Resource,
} from '@nsm/kube-client';
import { inCluster } from '../../config.js';
import type { CheckContext } from './check-context.js';
import { installerRights, managerRights, type Right } from './kubernetes-rights.js';

/** What the API told, or why it did not. */
export type Asked<T> = { readonly told: T } | { readonly why: string };

export interface KubernetesFacts {
  readonly pre: boolean;
  /** Where the way to the API is from. */
  readonly source: string;
  /** Of the managers. */
  readonly namespace: string;
  /** Milliseconds that a call took. */
  readonly api: Asked<number>;
  /** Whose rights were asked for: the managers', or before they are installed those of whoever installs. */
  readonly who: string;
  readonly denied: Asked<readonly Right[]>;
  /** Kinds of the mesh that the cluster lacks. */
  readonly missingKinds: Asked<readonly string[]>;
  /** Undefined: none is installed. */
  readonly webhook: Asked<{ readonly hasAuthority: boolean } | undefined>;
  /** Addresses behind the webhook's Service that are ready. */
  readonly webhookReady: Asked<number>;
  /** By node, how many sockets kubelet can give to pods; undefined where the resource is not known there. */
  readonly sockets: Asked<readonly { readonly node: string; readonly sockets: number | undefined }[]>;
  /** Requests of managers for certificates that have waited for longer than a signer takes. */
  readonly waiting: Asked<readonly string[]>;
}

const webhookName = 'nsm-webhook';
const accountName = 'nsm-manager';
/** Milliseconds after which a request for a certificate is taken for forgotten. */
const signedWithinMs = 60_000;
const callTimeoutMs = 5000;

interface AccessReview extends KubeObject {
  readonly spec: object;
  readonly status?: { readonly allowed: boolean };
}
const authorization = { group: 'authorization.k8s.io', version: 'v1', namespaced: false } as const;
const ownReviews: Resource<AccessReview> = {
  ...authorization,
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
};
const reviews: Resource<AccessReview> = {
  ...authorization,
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
};
const kinds = [
  'networkservices',
  'networkserviceendpoints',
  'networkservicemanagers',
  'networkservicepolicies',
];

/** @returns undefined where Kubernetes has no part in it. */
export async function readKubernetes(context: CheckContext): Promise<KubernetesFacts | undefined> {
  const registry = (await context.managerIfAny())?.view.registry ?? context.flags.registry ?? '';
  if (!registry.startsWith('kubernetes:') && !inCluster) return undefined;
  const { KubeClient: Client, loadKubeConfig } = await import('@nsm/kube-client');
  const config = await loadKubeConfig();
  context.progress('asking the Kubernetes API');
  // Told from the managers by the API server's audit log.
  const client = new Client(config, { userAgent: 'nsm-check' });
  try {
    const namespace = registry.slice('kubernetes:'.length) || config.namespace;
    return await askCluster(client, { namespace, pre: context.flags.pre === true });
  } finally {
    client.stop();
  }
}

export async function askCluster(
  client: KubeClient,
  { namespace, pre }: { readonly namespace: string; readonly pre: boolean },
): Promise<KubernetesFacts> {
  const ofPod = client.config.source === "this pod's service account";
  const account = `system:serviceaccount:${namespace}:${accountName}`;
  const who = pre || ofPod ? client.config.source : account;
  const [api, denied, missingKinds, webhook, webhookReady, sockets, waiting] = await Promise.all([
    asked(() => timeOfCall(client)),
    asked(() =>
      deniedOf(
        client,
        pre ? installerRights : managerRights,
        namespace,
        who === account ? account : undefined,
      ),
    ),
    asked(() => missingKindsOf(client, namespace)),
    asked(() => webhookOf(client)),
    asked(() => readyBehind(client, namespace)),
    asked(() => socketsOf(client)),
    asked(() => waitingFor(client, namespace)),
  ]);
  const { source } = client.config;
  return { pre, source, namespace, api, who, denied, missingKinds, webhook, webhookReady, sockets, waiting };
}

const notAllowed = 'this account may not ask; run nsm check with a kubeconfig of an administrator';

function isForbidden(thrown: unknown): boolean {
  return thrown instanceof KubeError && thrown.status === 403;
}

/** A server that does not let this account ask has answered as well. */
async function timeOfCall(client: KubeClient): Promise<number> {
  const started = performance.now();
  await client.versionOf(nodes, {}, limits()).catch((thrown: unknown) => {
    if (!isForbidden(thrown)) throw thrown;
  });
  return performance.now() - started;
}

async function asked<T>(ask: () => Promise<T>): Promise<Asked<T>> {
  try {
    return { told: await ask() };
  } catch (thrown) {
    if (isForbidden(thrown)) return { why: notAllowed };
    return { why: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

/** As Promise.all, but waits for all: the connection is not ended while calls are under way. */
async function allOf<T>(asked: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(asked);
  return await Promise.all(asked);
}

/** @param account whose rights they are; undefined: the caller's own. */
async function deniedOf(
  client: KubeClient,
  rights: readonly Right[],
  namespace: string,
  account: string | undefined,
): Promise<Right[]> {
  const review = async (right: Right): Promise<Right[]> => {
    const [resource, subresource = ''] = right.resource.split('/');
    const resourceAttributes = {
      group: right.group,
      resource,
      subresource,
      verb: right.verb,
      ...(right.own ? { namespace } : {}),
    };
    const [groups, metadata] = [
      ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      { name: '' },
    ];
    const { status } =
      account === undefined
        ? await client.create(ownReviews, { metadata, spec: { resourceAttributes } }, limits())
        : await client.create(
            reviews,
            { metadata, spec: { resourceAttributes, user: account, groups } },
            limits(),
          );
    return status?.allowed ? [] : [right];
  };
  return (await allOf(rights.map(review))).flat();
}

async function missingKindsOf(client: KubeClient, namespace: string): Promise<string[]> {
  const missing = await allOf(
    kinds.map(async (plural) => {
      const resource = { group: 'networkservicemesh.io', version: 'v1', kind: '', plural, namespaced: true };
      try {
        await client.versionOf(resource, { namespace }, limits());
        return [];
      } catch (error) {
        if (error instanceof KubeError && error.status === 404) return [`${plural}.networkservicemesh.io`];
        throw error;
      }
    }),
  );
  return missing.flat();
}

async function webhookOf(client: KubeClient): Promise<{ hasAuthority: boolean } | undefined> {
  try {
    const { webhooks = [] } = await client.get(
      mutatingWebhookConfigurations,
      { name: webhookName },
      limits(),
    );
    return { hasAuthority: webhooks.every(({ clientConfig }) => (clientConfig.caBundle ?? '') !== '') };
  } catch (error) {
    if (error instanceof KubeError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}

async function readyBehind(client: KubeClient, namespace: string): Promise<number> {
  let ready = 0;
  const labelSelector = `kubernetes.io/service-name=${webhookName}`;
  await client.list(
    endpointSlices,
    { namespace, labelSelector },
    (slices) => {
      // A Service without pods has none, which the API writes as null.
      for (const { endpoints } of slices)
        ready += (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).length;
    },
    limits(),
  );
  return ready;
}

async function socketsOf(client: KubeClient): Promise<{ node: string; sockets: number | undefined }[]> {
  const { socketResource } = await import('@nsm/kubernetes/device-plugin');
  const found: { node: string; sockets: number | undefined }[] = [];
  const add = (page: readonly Node[]): void => {
    for (const { metadata, status } of page) {
      const sockets = status?.allocatable?.[socketResource];
      found.push({ node: metadata.name, sockets: sockets === undefined ? undefined : Number(sockets) });
    }
  };
  await client.list(nodes, {}, add, limits());
  return found;
}

async function waitingFor(client: KubeClient, namespace: string): Promise<string[]> {
  const { signerOf } = await import('@nsm/kubernetes/request');
  const waiting: string[] = [];
  await client.list(
    certificateSigningRequests,
    { fieldSelector: `spec.signerName=${signerOf(namespace)}` },
    (page) => {
      for (const { metadata, status } of page) {
        const age = Date.now() - Date.parse(metadata.creationTimestamp ?? '');
        if ((status?.conditions ?? []).length === 0 && age > signedWithinMs) waiting.push(metadata.name);
      }
    },
    limits(),
  );
  return waiting;
}

function limits(): { readonly signal: AbortSignal } {
  return { signal: deadline(callTimeoutMs) };
}
