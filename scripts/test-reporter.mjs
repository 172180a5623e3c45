// A vitest reporter that writes down how many tests of each file passed and failed, and which were skipped and why.
import { writeFileSync } from 'node:fs';

// biome-ignore lint/style/noDefaultExport: by it vitest loads a reporter from a file.
export default class TestReporter {
  #vitest;

  onInit(vitest) {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules, errors) {
    const files = modules.map(reportOf);
    const name = this.#vitest.config.testNamePattern;
    const unknownName =
      name && files.every(({ passed, failed }) => passed + failed === 0) ? name.source : undefined;
    writeFileSync(
      process.env.TEST_REPORT_FILE,
      JSON.stringify({ files, errors: errors.length, unknownName }),
    );
  }
}

/** `broken`: the file and those hooks and suites that failed themselves. */
function reportOf(module) {
  const suites = [...module.children.allSuites()];
  const broken = [module, ...suites].filter((each) => each.errors().length > 0).length;
  const report = { file: module.moduleId, passed: 0, failed: 0, skipped: [], broken };
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === 'passed') report.passed++;
    else if (result.state === 'failed') report.failed++;
    else
      report.skipped.push({
        name: test.fullName,
        suite: test.parent.type === 'suite' ? test.parent.fullName : '',
        file: module.moduleId,
        reason: result.note ?? skippedBy(test),
      });
  }
  return report;
}

function skippedBy(test) {
  if (test.options.mode === 'todo') return 'to do';
  return 'skipped in the source, or by a filter of the command line';
}
