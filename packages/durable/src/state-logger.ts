// Who hears of damage, and of disks that take nothing.

/** The part of a pino logger that is used here. */
export interface StateLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
