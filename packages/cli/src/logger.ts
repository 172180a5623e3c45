// Logs of the daemons: JSON lines on stdout, written while nothing waits for them.
import { type Logger, pino } from 'pino';
import { LogStream } from './log-stream.js';

export function createLogger(level: string, fields: Readonly<Record<string, string>>): Logger {
  const base = { ...fields, pid: process.pid };
  return pino({ level, base, timestamp: pino.stdTimeFunctions.isoTime }, new LogStream(1, base));
}
