// The audit log of an API server: who asked for what. https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
import { readFileSync } from 'node:fs';
import { systemNamespace } from './config.js';

interface AuditEvent {
  readonly verb: string;
  readonly userAgent?: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code: number };
}

/** A rule of a Role or ClusterRole. */
export interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Rights {
  /** In the namespace of the product and nowhere else. */
  readonly atHome: readonly string[];
  /** In other namespaces, or of the whole cluster. */
  readonly elsewhere: readonly string[];
}

/** Rights that a service account of the product has asked for, sorted: `VERB RESOURCE.GROUP`, as `rightsOf` has them. */
export function usedRights(file: string, account: string): Rights {
  const [atHome, elsewhere] = [new Set<string>(), new Set<string>()];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue;
    const { verb, user, userAgent, objectRef, responseStatus } = JSON.parse(line) as AuditEvent;
    // An operator's command in a manager's pod, which may ask for what managers may not.
    if (userAgent === 'nsm-check') continue;
    if (user.username !== `system:serviceaccount:${systemNamespace}:${account}` || !objectRef) continue;
    const { apiGroup = '', resource, subresource, namespace } = objectRef;
    const what = rightTo(apiGroup, subresource === undefined ? resource : `${resource}/${subresource}`);
    const rights = namespace === systemNamespace ? atHome : elsewhere;
    rights.add(`${verb} ${what}`);
    // An object that is applied and was not there is created.
    if (verb === 'patch' && responseStatus?.code === 201) rights.add(`create ${what}`);
  }
  return {
    atHome: [...atHome].filter((right) => !elsewhere.has(right)).sort(),
    elsewhere: [...elsewhere].sort(),
  };
}

/** Every right that rules give, sorted. */
export function rightsOf(rules: readonly Rule[]): string[] {
  const rights = rules.flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${rightTo(group, resource)}`)),
    ),
  );
  return [...new Set(rights)].sort();
}

const rightTo = (group: string, resource: string): string =>
  group === '' ? resource : `${resource}.${group}`;
