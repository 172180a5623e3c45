// Who we are for the API server: a token in a file, which is replaced now and then, or what a program says.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { NsmError } from '@nsm/api';
import type { KubeCredentials } from './kube-config.js';

/** Kubelet replaces a token when a fifth of its life is left, at least two minutes: read once in a while is enough. */
const tokenKeptMs = 60_000;
/** How long a program may take to say who we are, milliseconds: it may ask a person. */
const programPatienceMs = 60_000;

/** The token in a file, read anew every minute and when the server refuses it. */
export function fileToken(path: string): KubeCredentials {
  let kept: { readonly token: string; readonly until: number } | undefined;
  return {
    async token() {
      if (kept && performance.now() < kept.until) return kept.token;
      const token = (await readFile(path, 'utf8')).trim();
      kept = { token, until: performance.now() + tokenKeptMs };
      return token;
    },
    forget() {
      kept = undefined;
    },
  };
}

/** `exec` of a user in a kubeconfig file. */
export interface ExecProgram {
  readonly apiVersion: string;
  readonly command: string;
  readonly args?: readonly string[] | null;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
  readonly installHint?: string;
}

interface ExecCredential {
  readonly status?: {
    readonly expirationTimestamp?: string;
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
  };
}

/**
 * What a program prints, kept until it expires or is refused.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
export function programCredentials(program: ExecProgram): KubeCredentials {
  let kept: Promise<ExecCredential['status']> | undefined;
  const present = async (): Promise<ExecCredential['status']> => {
    const before = await kept;
    const expires = before?.expirationTimestamp ? Date.parse(before.expirationTimestamp) : undefined;
    if (expires !== undefined && expires < Date.now()) kept = undefined;
    kept ??= run(program);
    try {
      return await kept;
    } catch (error) {
      kept = undefined;
      throw error;
    }
  };
  return {
    token: async () => (await present())?.token,
    async certificate() {
      const { clientCertificateData: cert, clientKeyData: key } = (await present()) ?? {};
      return cert && key ? { cert, key } : undefined;
    },
    forget() {
      kept = undefined;
    },
  };
}

async function run({
  apiVersion,
  command,
  args,
  env,
  installHint,
}: ExecProgram): Promise<ExecCredential['status']> {
  const request = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
  const own = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  try {
    const { stdout } = await promisify(execFile)(command, [...(args ?? [])], {
      env: { ...process.env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(request) },
      timeout: programPatienceMs,
    });
    return (JSON.parse(stdout) as ExecCredential).status;
  } catch (error) {
    const hint = installHint ? `; ${installHint}` : '';
    throw new NsmError(
      'untrusted',
      `credentials of kubeconfig: ${command}: ${(error as Error).message}${hint}`,
      error,
    );
  }
}
