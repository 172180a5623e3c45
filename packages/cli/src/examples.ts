// Examples below the help of a command.

/** A command line, and what comes of it. */
export type Example = readonly [line: string, what: string];

/** As `addHelpText('after', …)` takes it. */
export function examples(...all: readonly Example[]): string {
  const width = Math.max(...all.map(([line]) => line.length));
  // Where a line leaves no room for what comes of it, that stands above the line.
  const beside = width <= mostBeside;
  const lines = all.map(([line, what]) =>
    beside ? `  ${line.padEnd(width)}  # ${what}` : `  # ${what}\n  ${line}`,
  );
  return `\nExamples:\n${lines.join('\n')}`;
}

/** Columns that command lines may have beside which something is said. */
const mostBeside = 44;
