// npm test: sets a clone up, runs the tests, says what was skipped and why, and fails if they left anything behind.
// Arguments are vitest's, such as a part of a file name or -t NAME. The last line is `N passed, N failed, N skipped`.
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { root, setup } from './setup.mjs';
import { newTraces, takeTraces } from './traces.mjs';

await setup('test');

const args = process.argv.slice(2);
const say = (text) => process.stdout.write(`${text}\n`);
const notRun = [];
const projects = args.some((argument) => argument.startsWith('--project')) ? [] : runnableProjects();

const folder = mkdtempSync(join(tmpdir(), 'nsm-test-'));
const reportFile = join(folder, 'report.json');
// Every process that a test starts inherits it, however far it detaches itself.
const marker = `MESH_TEST_RUN=${randomUUID()}`;
const before = takeTraces(marker);

const [name, value] = marker.split('=');
const vitest = spawn(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    // Without writing a compiled configuration: the clone may be somebody else's.
    '--configLoader=runner',
    '--reporter=default',
    `--reporter=${join(root, 'scripts/test-reporter.mjs')}`,
    ...projects,
    ...args,
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, [name]: value, TEST_REPORT_FILE: reportFile } },
);
// Ctrl-C reaches vitest too, which ends its tests; what they left is still looked for, when they have had time to clean up.
let patience = 3_000;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    patience = 30_000;
    vitest.kill(signal);
  });
const [status] = await once(vitest, 'close');

const report = readReport();
rmSync(folder, { recursive: true });
const left = await settled();

for (const line of describeSkipped(report.skipped)) say(`skipped: ${line}`);
for (const text of notRun) say(`not run: ${text}`);
for (const trace of left) say(`left behind: ${trace}`);
if (report.broken > 0) say(`${report.broken} test files or hooks failed; see above`);
// A file that cannot be loaded has no tests to count, and is a failure all the same.
const failed = report.failed === 0 && status !== 0 ? Math.max(report.broken, 1) : report.failed;
say(
  `${report.passed} passed, ${failed + (left.length > 0 ? 1 : 0)} failed, ${report.skipped.length} skipped`,
);
process.exitCode = status === 0 && left.length === 0 ? 0 : 1;

function runnableProjects() {
  const tried = spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' });
  if (process.getuid?.() === 0 && tried.status === 0) return [];
  const why = (tried.error?.message ?? tried.stderr).trim();
  notRun.push(
    `the tests of project net: they need root and network namespaces (${why || 'this is not root'})`,
  );
  return ['--project=!net'];
}

/** One line for each suite and reason; a test that is skipped alone under its own name. */
function describeSkipped(skipped) {
  const groups = new Map();
  for (const test of skipped) {
    const key = JSON.stringify([test.file, test.suite, test.reason]);
    groups.set(key, [...(groups.get(key) ?? []), test]);
  }
  return [...groups.values()].map((tests) => {
    const [{ file, suite, name, reason }] = tests;
    const what = tests.length === 1 ? name : `${suite || 'the file'}, ${tests.length} tests`;
    return `${relative(root, file)}: ${what}: ${reason}`;
  });
}

function readReport() {
  try {
    return JSON.parse(readFileSync(reportFile, 'utf8'));
  } catch {
    say('vitest ended without a report');
    return { passed: 0, failed: 0, skipped: [], broken: 1 };
  }
}

/** The kernel takes namespaces and links away in the background: what is there after some seconds stays. */
async function settled() {
  const deadline = performance.now() + patience;
  let traces = newTraces(before, marker);
  while (traces.length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    traces = newTraces(before, marker);
  }
  return traces;
}
