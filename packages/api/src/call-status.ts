// The gRPC status by which a call ends that has failed.
import { NsmError } from './errors.js';

/** Characters. The text of a status travels as a header, and a caller that does not take one of its size hears nothing at all. */
const maxWords = 2000;

export function statusOf({ grpcStatus: code, kind, message }: NsmError): {
  readonly code: number;
  readonly details: string;
} {
  const shown =
    message.length > maxWords ? `${message.slice(0, maxWords)}… (${message.length} characters)` : message;
  return { code, details: new NsmError(kind, shown).toAdmissionError() };
}
