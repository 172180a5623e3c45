// Examples below the help of a command.

/** A command line, and what comes of it. */
export type Example = readonly [line: string, what: string];

/** As `addHelpText('after', …)` takes it. */
export function examples(...all: readonly Example[]): string {
  const width = Math.max(...all.map(([line]) => line.length));
  // Where lines leave no room for what comes of them, that stands above each.
  const beside = all.every(([, what]) => width + what.length <= mostColumns - '    # '.length);
  const lines = all.map(([line, what]) =>
    beside ? `  ${line.padEnd(width)}  # ${what}` : `  # ${what}\n  ${line}`,
  );
  return `\nExamples:\n${lines.join('\n')}`;
}

/** Of the usual terminal. */
const mostColumns = 80;
