// A line of the log for people: time, level, what happened, and then what it happened to.
const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info ',
  40: 'WARN ',
  50: 'ERROR',
  60: 'FATAL',
};

interface Line {
  readonly level?: number;
  readonly time?: string;
  readonly pid?: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly code?: string; readonly stack?: string };
  readonly [field: string]: unknown;
}

/** @param json a line as pino writes it, with its end. */
export function readableLine(json: string): string {
  const { level = 30, time = '', pid: _pid, msg = '', err, ...fields } = JSON.parse(json) as Line;
  const said = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`);
  const why = err ? [`${err.message ?? ''}${err.code ? ` (${err.code})` : ''}`] : [];
  const line = [time, levels[level] ?? level, [msg, ...why].join(': '), ...said].join('  ');
  return `${line}\n${err?.stack ? `${err.stack}\n` : ''}`;
}

/** A word as it is; everything else as JSON says it, so that it is seen where a value ends. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}
