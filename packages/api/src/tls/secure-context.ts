// TLS as it is between machines: version 1.3, both sides show certificates, HTTP/2 inside.
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { Credential } from './credentials.js';

export const http2Protocol = 'h2';

export function tlsOptionsOf({ key, chain, authorities }: Credential): SecureContextOptions {
  const ca = [...authorities.values()].flat().map((authority) => authority.toString());
  return { key, cert: chain, ca, minVersion: 'TLSv1.3' };
}

const made = new WeakMap<Credential, SecureContext>();

/** Made once of each credential. */
export function secureContextOf(credential: Credential): SecureContext {
  const present = made.get(credential);
  if (present) return present;
  const context = createSecureContext(tlsOptionsOf(credential));
  made.set(credential, context);
  return context;
}
