// npm run test:kubernetes: the suites that need a Kubernetes cluster, on the one that KUBECONFIG names. Installs the product there, and
// takes it away. Arguments are vitest's, such as a part of a file name or -t NAME. Variables:
//   NSM_IMAGE        the product's image, which the nodes have or can pull; localhost/nsm:dev by default, as npm run image makes it
//   NSM_TEST_IMAGE   an image with a shell, ip, ping, wget and httpd; busybox:1.37 by default
//   NSM_TEST_EARLIER_CHART, NSM_TEST_EARLIER_IMAGE   an earlier version's, from which the chart is upgraded; without them today's are
//   NSM_TEST_AUDIT_LOG   the API server's audit log as a file here; without it rights are not compared with their use
//   NSM_CLUSTER_POWER    a program for what no API does to machines; without it stories of crashes are not run. It is called with
//                          run NODE COMMAND…      runs it as root on a node
//                          crash NODE, boot NODE  the power of a node goes, and comes back
//                          restart-kubelet NODE
//                          stop-api, start-api    nobody reaches the API server, as behind a firewall
//                          crash-etcd             kill -9 of the API server's etcd, which is then started again
//                          crash-api, boot-api    its process ends, and begins again when etcd has been compacted
//                          lose-records NAMESPACE the mesh's objects, and the Leases of the namespace, are gone from etcd (while the API is down)
//                          outside COMMAND…       runs it as root on a machine that the nodes reach, and that is none of them;
//                                                 what KUBECONFIG names there is of an administrator of the cluster
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { findCommand, root, setup } from './setup.mjs';

const missing = whatIsMissing();
if (missing.length > 0) {
  for (const line of missing) console.error(`test:kubernetes: ${line}`);
  process.exit(1);
}
await setup('kubernetes');
const vitest = spawn(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    `--config=${join(root, 'vitest.kubernetes.config.ts')}`,
    '--configLoader=runner',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => vitest.kill(signal));
const [status] = await once(vitest, 'close');
process.exitCode = status ?? 1;

/** One line for each thing without which the suites cannot run. */
function whatIsMissing() {
  if (findCommand('kubectl') === undefined) return ['there is no kubectl in PATH'];
  const ask = (...args) => spawnSync('kubectl', ['--request-timeout=10s', ...args], { encoding: 'utf8' });
  const nodes = ask('get', 'nodes', '--output=name');
  if (nodes.status !== 0)
    return [`no cluster answers; KUBECONFIG is to name one (${nodes.stderr.trim().split('\n').at(-1)})`];
  if (ask('auth', 'can-i', '*', '*', '--all-namespaces').status !== 0)
    return ['the user of KUBECONFIG must be an administrator of the cluster'];
  const selector = '--selector=app.kubernetes.io/name=nsm,app.kubernetes.io/component=manager';
  const format = '--output=jsonpath={range .items[*]}{.metadata.namespace}{"\\n"}{end}';
  const installed = ask('get', 'daemonsets', '--all-namespaces', selector, format).stdout.trim();
  if (installed !== '')
    return [
      `nsm is installed in namespace ${installed}, and would have to share the nodes with the tests' own`,
    ];
  return [];
}
