// Logs of the daemons: lines on stdout, of JSON or for people, written while nothing waits for them. The last line says what ended a daemon that could not
// go on.
import { type Logger, pino } from 'pino';
import { exitStatus } from '../exit-status.js';
import { LogStream } from './log-stream.js';
import { readableLine } from './readable-log.js';

/** What a command line says of the log. */
export interface LogFlags {
  readonly logLevel: string;
  readonly logFormat: 'json' | 'text';
}

/**
 * An error that no part of the daemon has caught from now on is logged and ends the process: a manager without its forwarder, or one
 * that is deaf, takes down what is intact, and a restart does not.
 */
export function createLogger(
  { logLevel: level, logFormat }: LogFlags,
  fields: Readonly<Record<string, string>>,
): Logger {
  const base = { ...fields, pid: process.pid };
  const logger = pino(
    { level, base, timestamp: pino.stdTimeFunctions.isoTime },
    new LogStream(1, base, logFormat === 'text' ? readableLine : undefined),
  );
  process.once('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'cannot go on: this process ends, to be started again');
    process.exit(exitStatus.failed);
  });
  return logger;
}
