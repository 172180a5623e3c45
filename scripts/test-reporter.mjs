// A vitest reporter that writes down how many tests passed, failed and were skipped, and why they were.
import { writeFileSync } from 'node:fs';

// biome-ignore lint/style/noDefaultExport: by it vitest loads a reporter from a file.
export default class TestReporter {
  #vitest;

  onInit(vitest) {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules, errors) {
    const report = { passed: 0, failed: 0, skipped: [], broken: errors.length };
    for (const module of modules) {
      if (module.errors().length > 0) report.broken++;
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
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) report.broken++;
    }
    const name = this.#vitest.config.testNamePattern;
    if (name && report.passed + report.failed === 0) report.unknownName = name.source;
    writeFileSync(process.env.TEST_REPORT_FILE, JSON.stringify(report));
  }
}

function skippedBy(test) {
  if (test.options.mode === 'todo') return 'to do';
  return 'skipped in the source, or by a filter of the command line';
}
