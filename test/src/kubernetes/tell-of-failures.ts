// What the cluster has to say when a test failed: nothing of it is there any more after the run.
import { afterEach } from 'vitest';
import { managers, system } from './installation.js';
import { tryKubectl } from './kubectl.js';
import { namespacePrefix } from './test-namespace.js';

const lines = 40;

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await tell('get', 'pods', '--all-namespaces', '-o', 'wide');
  await tell('get', 'events', '--all-namespaces', '--sort-by=.metadata.creationTimestamp');
  for (const pod of await podsOfSuites())
    await tell('logs', ...pod.split(' '), '--all-containers', '--prefix');
  await tell('logs', '--namespace', system.name, '--selector', managers, '--prefix', `--tail=${lines}`);
});

async function tell(...question: readonly string[]): Promise<void> {
  const { stdout, stderr } = await tryKubectl(question, { timeoutMs: 15_000 });
  const text = `${stdout}${stderr}`.trimEnd().split('\n').slice(-lines).join('\n');
  process.stderr.write(`\n$ kubectl ${question.join(' ')}\n${text}\n`);
}

/** `POD --namespace NAMESPACE` of each. */
async function podsOfSuites(): Promise<string[]> {
  const format = '{range .items[*]}{.metadata.name} --namespace {.metadata.namespace}{"\\n"}{end}';
  const { stdout } = await tryKubectl(['get', 'pods', '--all-namespaces', '-o', `jsonpath=${format}`]);
  return stdout.split('\n').filter((line) => line.includes(` ${namespacePrefix}`));
}
