// Aligned tables for people.

/** A table under its title, and how to read it. */
export function section(
  title: string,
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  reading: readonly string[],
): string {
  return [
    title,
    ...table([columns, ...rows.map((row) => row.map(String))]),
    ...reading.map((line) => `  ${line}`),
  ].join('\n');
}

/** Words to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const [columns = []] = rows;
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const numeric = columns.map((_, column) =>
    rows.slice(1).every((row) => /^[\d.]*×?$/.test(row[column] ?? '')),
  );
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return numeric[column] ? cell.padStart(width) : cell.padEnd(width);
    });
    return `  ${cells.join('  ')}`.trimEnd();
  });
}

export function fixed(value: number, digits = 2): string {
  return value.toFixed(digits);
}
