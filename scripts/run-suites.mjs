// Runs the suites, says what was skipped and why, and fails if they left anything behind; test.mjs starts it.
// Arguments: why there is no network for the suites alone, or '', then vitest's. The last line is `N passed, N failed, N skipped`.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { root } from './setup.mjs';
import { newTraces, takeTraces } from './traces.mjs';

const [notIsolated = '', ...args] = process.argv.slice(2);
const isolated = notIsolated === '';
const say = (text) => process.stdout.write(`${text}\n`);
const notRun = [];
const projects = args.some((argument) => argument.startsWith('--project')) ? [] : runnableProjects();

const folder = mkdtempSync(join(tmpdir(), 'nsm-test-'));
const reportFile = join(folder, 'report.json');
// Every process that a test starts inherits it, however far it detaches itself.
const marker = `MESH_TEST_RUN=${randomUUID()}`;
const before = takeTraces(marker, isolated);

const [name, value] = marker.split('=');
const env = { ...process.env, [name]: value, TEST_REPORT_FILE: reportFile };
// Every process of Node.js would read the machine's certificates as it starts, which takes longer than the rest of its start.
delete env.NODE_EXTRA_CA_CERTS;
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
  { cwd: root, stdio: 'inherit', env },
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
if (report.unknownName) say(`no test has "${report.unknownName}" in its name`);
if (report.broken > 0) say(`${report.broken} test files or hooks failed; see above`);
// A file that cannot be loaded has no tests to count, and is a failure all the same.
const broken = status !== 0 || report.unknownName !== undefined;
const failed = report.failed === 0 && broken ? Math.max(report.broken, 1) : report.failed;
say(
  `${report.passed} passed, ${failed + (left.length > 0 ? 1 : 0)} failed, ${report.skipped.length} skipped`,
);
process.exitCode = failed === 0 && left.length === 0 ? 0 : 1;

function runnableProjects() {
  if (isolated) return [];
  notRun.push(`the tests of project net: they need root and network namespaces (${notIsolated})`);
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
  let traces = newTraces(before, marker, isolated);
  while (traces.length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    traces = newTraces(before, marker, isolated);
  }
  return traces;
}
