// Clients of a `kubernetes:` registry against the compliance suite, on the cluster of KUBECONFIG.
// Restarts of the API server need to know how: KUBERNETES_API_STOP and KUBERNETES_API_START are commands for a shell.
import { execFileSync } from 'node:child_process';
import { KubeClient, loadKubeConfig, namespaces } from '@nsm/kube-client';
import { compliance } from '../compliance.js';
import { KubernetesRegistry } from './kubernetes-registry.js';
import { endpointObjects, labels, managerObjects } from './mesh-objects.js';

const { KUBERNETES_API_STOP: stopCommand, KUBERNETES_API_START: startCommand } = process.env;
const canBeAway = stopCommand !== undefined && startCommand !== undefined;
let tests = 0;

const shell = (command: string): void => {
  execFileSync('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] });
};

compliance(
  'kubernetes:',
  async () => {
    const kubeConfig = await loadKubeConfig();
    const kube = new KubeClient(kubeConfig);
    const home = `nsm-test-${process.pid}-${++tests}`;
    const setUp = async (): Promise<void> => {
      await kube.apply(namespaces, { metadata: { name: home } });
    };
    const removeAll = async (): Promise<void> => {
      const labelSelector = `${labels.mesh}=${home}`;
      const found: { readonly name: string; readonly namespace?: string }[] = [];
      await kube.list(endpointObjects, { labelSelector }, (page) =>
        found.push(...page.map(({ metadata }) => metadata)),
      );
      for (const namespace of new Set(found.map(({ namespace: own = '' }) => own)))
        await kube.deleteAll(endpointObjects, { namespace, labelSelector });
      await kube.deleteAll(managerObjects, { namespace: home });
    };
    let lost = false;
    await setUp();
    return {
      async open() {
        const registry = new KubernetesRegistry('kubernetes:', {
          kubeConfig,
          namespace: home,
          keeperLeaseMs: 1500,
          ...(process.env.VERBOSE && {
            logger: { info: console.log, warn: console.log, error: console.log },
          }),
        });
        await registry.start();
        return registry;
      },
      ...(canBeAway && {
        server: {
          async stop() {
            shell(stopCommand);
          },
          async start() {
            shell(startCommand);
            if (!lost) return;
            lost = false;
            await removeAll();
            await kube.delete(namespaces, { name: home });
            for (let gone = false; !gone; )
              gone = await kube.get(namespaces, { name: home }).then(
                () => false,
                () => true,
              );
            await setUp();
          },
          loseStore() {
            lost = true;
          },
        },
      }),
      async close() {
        await removeAll();
        await kube.delete(namespaces, { name: home });
        kube.stop();
      },
    };
  },
  { canBeAway },
);
