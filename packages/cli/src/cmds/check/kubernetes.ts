// Checks of the cluster, where one has to do with this node.
import { abbreviatedList } from '@nsm/api';
import { broken, type Check, type Group, group, type Outcome, untried, warning, well } from './check.js';
import { type Asked, type KubernetesFacts, readKubernetes } from './kubernetes-facts.js';
import { rightInWords } from './kubernetes-rights.js';

const install =
  '`helm upgrade --install nsm deploy/helm/nsm -n nsm-system`, or `kubectl apply -f deploy/kubernetes/nsm.yaml`';
const slowMs = 1000;

export const kubernetesChecks: readonly Check<KubernetesFacts>[] = [
  {
    code: 'NSM0985',
    title: 'Kubernetes API',
    neededFor: 'the registry kubernetes:, and pods that are attached by their annotation',
    mend: '`kubectl version` with the same kubeconfig; on a node: is the address of the API server reached, and its certificate believed?',
    judge: ({ api, source }) => {
      if ('why' in api) return broken(`${api.why} (by ${source})`);
      const words = `answers in ${api.told.toFixed(0)} ms (by ${source})`;
      return api.told > slowMs ? warning(words) : well(words);
    },
  },
  {
    code: 'NSM0986',
    title: 'rights',
    neededFor:
      'managers: each verb on each kind of object that they use. With --pre: for whoever installs the mesh',
    mend: `${install}: the roles of nsm-manager are among what is installed`,
    judge: ({ denied, who, pre }) =>
      told(denied, 'rights', (rights) =>
        rights.length === 0
          ? well(`${who} may do all that ${pre ? 'installing' : 'a manager'} needs`)
          : broken(
              `${who} may not: ${abbreviatedList(rights.map(rightInWords))}`,
              pre ? 'install as somebody who may: `kubectl auth can-i --list` shows what one may' : undefined,
            ),
      ),
  },
  {
    code: 'NSM0987',
    title: 'kinds of objects',
    neededFor: 'what managers write: endpoints, managers, network services and policies, version v1',
    mend: '`kubectl apply -f deploy/kubernetes/crds/`',
    judge: ({ missingKinds, pre }) =>
      told(missingKinds, 'kinds of objects', (missing) => {
        if (missing.length === 0) return well('all four custom resources are served as v1');
        const words = `the cluster does not know ${missing.join(', ')}`;
        return pre ? well(`${words}: they come with the installation`) : broken(words);
      }),
  },
  {
    code: 'NSM0988',
    title: 'webhook',
    neededFor:
      'refusing wrong annotations, and giving pods their readiness gate; without it pods are attached all the same',
    mend: '`kubectl -n nsm-system logs deploy/nsm-webhook` says why it does not write its authority',
    judge: ({ webhook }) =>
      told(webhook, 'webhook', (found) => {
        if (!found) return well('no webhook is installed');
        return found.hasAuthority
          ? well('the API server knows the authority of the webhook')
          : broken(
              'the configuration of the webhook has no authority: each pod that it is called for is refused or left as it is',
            );
      }),
  },
  {
    code: 'NSM0989',
    title: 'pods of the webhook',
    neededFor: 'pods with an annotation of the mesh, which wait for its answer',
    mend: '`kubectl -n nsm-system get pods -l app.kubernetes.io/component=webhook`; `kubectl describe` says what keeps them',
    judge: ({ webhook, webhookReady }) => {
      if ('told' in webhook && !webhook.told) return undefined;
      return told(webhookReady, 'pods of the webhook', (ready) =>
        ready === 0
          ? broken('no pod behind the Service nsm-webhook is ready')
          : well(`${ready} pods behind the Service nsm-webhook are ready`),
      );
    },
  },
  {
    code: 'NSM0990',
    title: 'device plugin',
    neededFor: 'giving pods that are restricted the sockets of their manager (networkservicemesh.io/socket)',
    mend: 'is /var/lib/kubelet/device-plugins of the node mounted into the manager? Its log says "registered with kubelet"',
    judge: ({ sockets, pre }) => {
      if (pre) return undefined;
      return told(sockets, 'device plugin', (all) => {
        const without = all.filter(({ sockets: count }) => !count).map(({ node }) => node);
        if (without.length === 0)
          return well(
            `kubelet of ${all.length === 1 ? 'the node' : `all ${all.length} nodes`} gives out sockets`,
          );
        return warning(`kubelet gives out no networkservicemesh.io/socket on ${abbreviatedList(without)}`);
      });
    },
  },
  {
    code: 'NSM0991',
    title: 'signer',
    neededFor: 'certificates of managers, which are asked for anew before they end',
    mend: '`kubectl -n nsm-system logs deploy/nsm-signer`; `kubectl get csr` shows what waits',
    judge: ({ waiting, pre }) => {
      if (pre) return undefined;
      return told(waiting, 'signer', (names) =>
        names.length === 0
          ? well('no request for a certificate waits')
          : broken(`nobody has answered ${abbreviatedList(names)}`),
      );
    },
  },
];

export const kubernetesGroup: Group = group<KubernetesFacts>({
  name: 'kubernetes',
  title: 'Kubernetes',
  read: readKubernetes,
  checks: kubernetesChecks,
});

/** What may not be asked by whoever asks is no fault of the cluster. */
function told<T>(asked: Asked<T>, what: string, judge: (value: T) => Outcome): Outcome {
  return 'told' in asked ? judge(asked.told) : untried(`${what}: ${asked.why}`);
}
