// Tokens with which a machine joins a mesh, once: a file for each, beside the authority's key, until it expires.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isIdentityName, NsmError } from '@nsm/api';
import type { Authority } from './authority.js';
import { createPrivately, makePrivateFolder } from './private-files.js';

/** What a token holds. */
export interface JoinToken {
  /** SHA-256 of the authority's certificate: by it the joining machine knows the mesh before it says anything. */
  readonly fingerprint: Buffer;
  readonly id: string;
  /** By it the mesh knows the joining machine. */
  readonly secret: Buffer;
}

const version = 'nsm1-';
const [fingerprintBytes, idBytes, secretBytes] = [32, 9, 24];

/** @throws NsmError `invalid` */
export function parseToken(text: string): JoinToken {
  const bytes = Buffer.from(text.slice(version.length), 'base64url');
  if (!text.startsWith(version) || bytes.length !== fingerprintBytes + idBytes + secretBytes)
    throw new NsmError('invalid', 'not a token of `nsm pki join-token`, or a part of one');
  return {
    fingerprint: bytes.subarray(0, fingerprintBytes),
    id: bytes.subarray(fingerprintBytes, fingerprintBytes + idBytes).toString('base64url'),
    secret: bytes.subarray(fingerprintBytes + idBytes),
  };
}

export function fingerprintOf({ raw }: { readonly raw: Uint8Array }): Buffer {
  return createHash('sha256').update(raw).digest();
}

/** What the mesh keeps of a token: not its secret. */
interface Kept {
  readonly hash: string;
  /** Milliseconds of the epoch. */
  readonly expires: number;
  /** Whom it is for; any name without. */
  readonly name?: string;
}

export class JoinTokens {
  readonly #folder: string;

  /** @param folder of the authority. */
  constructor(folder: string) {
    this.#folder = join(folder, 'tokens');
  }

  /** @param name whom it is for. Default: whoever brings it. @throws NsmError `invalid` */
  create(authority: Authority, lifeMs: number, name?: string): string {
    if (name !== undefined && !isIdentityName(name))
      throw new NsmError('invalid', `${JSON.stringify(name)} cannot be the name of a manager`);
    this.#sweep();
    const [id, secret] = [randomBytes(idBytes), randomBytes(secretBytes)];
    const kept: Kept = {
      hash: hashOf(secret),
      expires: Date.now() + lifeMs,
      ...(name === undefined ? {} : { name }),
    };
    makePrivateFolder(this.#folder);
    createPrivately(this.#file(id.toString('base64url')), JSON.stringify(kept));
    return version + Buffer.concat([fingerprintOf(authority.certificate), id, secret]).toString('base64url');
  }

  /**
   * Uses a token up. Of several processes with the same folder one succeeds.
   * @throws NsmError `untrusted`
   */
  redeem(id: string, secret: Buffer, name: string): void {
    this.#sweep();
    const kept = this.#read(id);
    // The same words, whichever of these it is.
    if (!kept || !timingSafeEqual(Buffer.from(kept.hash), Buffer.from(hashOf(secret))))
      throw new NsmError(
        'untrusted',
        'the token is not known here: it has expired, or was made on another machine',
      );
    if (kept.name !== undefined && kept.name !== name)
      throw new NsmError('untrusted', `the token is for ${kept.name}, and not for ${name}`);
    if (!createPrivately(`${this.#file(id)}${used}`, JSON.stringify({ ...kept, name })))
      throw new NsmError('untrusted', 'the token was used already: make another with nsm pki join-token');
  }

  #file(id: string): string {
    return join(this.#folder, id);
  }

  #read(id: string): Kept | undefined {
    if (!/^[\w-]{12}$/.test(id)) return undefined;
    try {
      return JSON.parse(readFileSync(this.#file(id), 'utf8')) as Kept;
    } catch {
      return undefined;
    }
  }

  /** Removes what has expired: until then it is known which tokens were used. */
  #sweep(): void {
    for (const file of filesIn(this.#folder)) {
      const id = file.replace(used, '');
      const kept = this.#read(id);
      if (kept && kept.expires > Date.now()) continue;
      for (const path of [this.#file(id), `${this.#file(id)}${used}`]) rmSync(path, { force: true });
    }
  }
}

const used = '.used';

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => !file.startsWith('.'));
  } catch {
    return [];
  }
}

function hashOf(secret: Buffer): string {
  return createHash('sha256').update(secret).digest('hex');
}
