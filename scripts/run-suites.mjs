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
/** More than these fail for a cause of their own. */
const fewFiles = 3;
const say = (text) => process.stdout.write(`${text}\n`);
const notRun = [];
const projects = args.some((argument) => argument.startsWith('--project')) ? [] : runnableProjects();

// Every process that a test starts inherits it, however far it detaches itself.
const marker = `MESH_TEST_RUN=${randomUUID()}`;
const before = takeTraces(marker, isolated);
let interrupted = false;

let run = await runVitest([...projects, ...args]);
const { unknownName } = run;
const files = new Map(run.files.map((report) => [report.file, report]));
const failing = run.files
  .filter(({ failed, broken }) => failed + broken > 0)
  .map(({ file }) => relative(root, file));
// Beside three others, and on a machine that stalls, a file may wait for longer than its patience: said, and tried again by itself.
if (
  args.length === 0 &&
  !interrupted &&
  run.errors === 0 &&
  failing.length > 0 &&
  failing.length <= fewFiles
) {
  say(`failed beside other files, see above; once more, alone: ${failing.join(', ')}`);
  run = await runVitest([...projects, '--maxWorkers=1', ...failing]);
  for (const report of run.files) files.set(report.file, report);
}
const left = await settled();

const reports = [...files.values()];
const sum = (count) => reports.reduce((total, report) => total + count(report), 0);
const skipped = reports.flatMap((report) => report.skipped);
const broken = run.errors + sum((report) => report.broken);
for (const line of describeSkipped(skipped)) say(`skipped: ${line}`);
for (const text of notRun) say(`not run: ${text}`);
for (const trace of left) say(`left behind: ${trace}`);
if (unknownName) say(`no test has "${unknownName}" in its name`);
if (broken > 0) say(`${broken} test files or hooks failed; see above`);
const failedTests = sum((report) => report.failed);
// A file that cannot be loaded has no tests to count, and is a failure all the same.
const uncounted = failedTests === 0 && (run.status !== 0 || unknownName) ? Math.max(broken, 1) : 0;
const failed = failedTests + uncounted + (left.length > 0 ? 1 : 0);
say(`${sum((report) => report.passed)} passed, ${failed} failed, ${skipped.length} skipped`);
process.exitCode = failed === 0 ? 0 : 1;

/** One run of vitest: its exit status, and what the reporter wrote. */
async function runVitest(all) {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-test-'));
  const reportFile = join(folder, 'report.json');
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
      ...all,
    ],
    { cwd: root, stdio: 'inherit', env },
  );
  // Ctrl-C reaches vitest too, which ends its tests; what they left is still looked for, when they have had time to clean up.
  const interrupt = (signal) => {
    interrupted = true;
    vitest.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, interrupt);
  const [status] = await once(vitest, 'close');
  try {
    return { status, ...JSON.parse(readFileSync(reportFile, 'utf8')) };
  } catch {
    say('vitest ended without a report');
    return { status, files: [], errors: 1 };
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, interrupt);
    rmSync(folder, { recursive: true });
  }
}

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

/** The kernel takes namespaces and links away in the background: what is there after some seconds stays. */
async function settled() {
  const deadline = performance.now() + (interrupted ? 30_000 : 3_000);
  let traces = newTraces(before, marker, isolated);
  while (traces.length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    traces = newTraces(before, marker, isolated);
  }
  return traces;
}
