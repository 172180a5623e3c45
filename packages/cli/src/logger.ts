// Logs of the daemons: JSON lines on stdout, written while nothing waits for them.
import { type Logger, pino } from 'pino';

export function createLogger(level: string, fields: Readonly<Record<string, string>>): Logger {
  return pino(
    { level, base: { ...fields, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 1, sync: false }),
  );
}
