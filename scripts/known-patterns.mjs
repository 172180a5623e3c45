// The order of test files by default, for vitest's configurations. A pattern that names no file is a mistake, and not a success.
import { BaseSequencer, parseCLI } from 'vitest/node';

export class KnownPatterns extends BaseSequencer {
  /** @throws Error for a part of a file name on the command line that no test file has */
  async sort(files) {
    for (const pattern of parseCLI(['vitest', ...process.argv.slice(2)]).filter)
      if ((await this.ctx.globTestSpecifications([pattern])).length === 0)
        throw new Error(`no test file has "${pattern}" in its path`);
    return super.sort(files);
  }
}
