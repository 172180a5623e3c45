// What a joining machine and the mesh say to each other: one line of JSON each, over TLS, under a protocol name of their own (ALPN).
import type { TLSSocket } from 'node:tls';
import { NsmError } from '@nsm/api';

export const joinProtocol = 'nsm-join/1';

export interface JoinRequest {
  /** PKCS #10 in DER, base64. */
  readonly request: string;
  readonly name: string;
  /** Without it: whoever shows a certificate of the mesh gets a new one of the same name. */
  readonly token?: { readonly id: string; readonly secret: string };
}

export type JoinReply =
  | {
      /** PEM: the certificate, and those that lead to an authority. */
      readonly chain: string;
      /** PEM. */
      readonly authorities: string;
    }
  | { readonly refusal: string };

/** Bytes. */
const longest = 65_536;

export function writeLine(socket: TLSSocket, message: JoinRequest | JoinReply): void {
  socket.write(`${JSON.stringify(message)}\n`);
}

/** The line that the other side says. @throws NsmError `unavailable` when it says none, `invalid` when it is too long or no JSON */
export async function readLine(socket: TLSSocket): Promise<unknown> {
  let text = '';
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      text += chunk;
      if (text.length > longest) throw new NsmError('invalid', 'too long a line');
      if (text.endsWith('\n')) return JSON.parse(text);
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw new NsmError('invalid', 'not a line of JSON', error);
    if (error instanceof NsmError) throw error;
    throw new NsmError('unavailable', (error as Error).message, error);
  }
  throw new NsmError('unavailable', 'the connection ended without an answer');
}
