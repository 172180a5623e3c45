// node scripts/manifests.mjs [--check]: writes deploy/kubernetes/nsm.yaml, the chart's objects for those who do not use Helm. Needs helm.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

const file = join(root, 'deploy/kubernetes/nsm.yaml');
const heading = `# Network Service Mesh on Kubernetes: kubectl apply --server-side -f nsm.yaml
# Written by scripts/manifests.mjs from the chart in deploy/helm/nsm, with its default values.
apiVersion: v1
kind: Namespace
metadata:
  name: nsm-system
  labels:
    # Managers program the network of nodes.
    pod-security.kubernetes.io/enforce: privileged
`;
const chart = join(root, 'deploy/helm/nsm');
const options = ['--namespace=nsm-system', '--kube-version=1.34.0'];
const { status, stdout, stderr, error } = spawnSync('helm', ['template', 'nsm', chart, ...options], {
  encoding: 'utf8',
});
if (status !== 0) throw error ?? new Error(stderr);
const text = `${heading}${stdout}`;
if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  console.error(`${file} is not what the chart gives: run node scripts/manifests.mjs`);
  process.exitCode = 1;
}
