// The part of a pino logger that the client uses.
export interface KubeLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export const silentLogger: KubeLogger = { info() {}, warn() {} };
