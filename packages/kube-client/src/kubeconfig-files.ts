// kubeconfig files, put together as kubectl does: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { NsmError } from '@nsm/api';
import { parse } from 'yaml';
import { type ExecProgram, fileToken, programCredentials } from './credentials.js';
import type { ApiServer, KubeConfig, KubeCredentials } from './kube-config.js';

interface Cluster {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
  readonly 'proxy-url'?: string;
}

interface User {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly username?: string;
  readonly exec?: ExecProgram;
  readonly 'auth-provider'?: unknown;
}

interface Context {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}

/** One entry, and the file that has it: paths in it are relative to that file. */
interface Entry<T> {
  readonly value: T;
  readonly file: string;
}

interface KubeConfigFile {
  readonly 'current-context'?: string;
  readonly clusters?: readonly ({ readonly name: string } & { readonly cluster: Cluster })[] | null;
  readonly users?: readonly ({ readonly name: string } & { readonly user: User })[] | null;
  readonly contexts?: readonly ({ readonly name: string } & { readonly context: Context })[] | null;
}

/** The first file that says something wins. @throws NsmError `invalid` */
export function readKubeConfigFiles(paths: readonly string[]): KubeConfig {
  const source = paths.join(', ');
  const files = paths.map((file) => ({ file, content: readOne(file) }));
  const find = <T>(
    what: string,
    name: string | undefined,
    list: (content: KubeConfigFile) => readonly { readonly name: string; readonly value: T }[],
  ): Entry<T> => {
    for (const { file, content } of files) {
      const entry = list(content).find((each) => each.name === name);
      if (entry) return { value: entry.value, file };
    }
    throw new NsmError('invalid', `kubeconfig ${source}: there is no ${what} ${JSON.stringify(name ?? '')}`);
  };
  const current = files.map(({ content }) => content['current-context']).find((name) => name);
  const context = find('context', current, ({ contexts }) =>
    (contexts ?? []).map(({ name, context: value }) => ({ name, value })),
  ).value;
  const cluster = find('cluster', context.cluster, ({ clusters }) =>
    (clusters ?? []).map(({ name, cluster: value }) => ({ name, value })),
  );
  const user = context.user
    ? find('user', context.user, ({ users }) =>
        (users ?? []).map(({ name, user: value }) => ({ name, value })),
      )
    : { value: {}, file: '' };
  return {
    server: serverOf(cluster),
    credentials: credentialsOf(user),
    namespace: context.namespace || 'default',
    source,
  };
}

function readOne(file: string): KubeConfigFile {
  try {
    return (parse(readFileSync(file, 'utf8')) as KubeConfigFile | null) ?? {};
  } catch (error) {
    throw new NsmError('invalid', `kubeconfig ${file}: ${(error as Error).message}`, error);
  }
}

function serverOf({ value: cluster, file }: Entry<Cluster>): ApiServer {
  const { server, 'insecure-skip-tls-verify': insecure = false, 'tls-server-name': serverName } = cluster;
  if (!server || !URL.canParse(server))
    throw new NsmError('invalid', `kubeconfig ${file}: server ${JSON.stringify(server ?? '')} is no URL`);
  if (cluster['proxy-url'])
    throw new NsmError(
      'invalid',
      `kubeconfig ${file}: proxy-url is not supported; give a server that is reached without`,
    );
  const ca = pem(file, cluster['certificate-authority'], cluster['certificate-authority-data']);
  return { url: server, insecure, ...(ca && { ca }), ...(serverName && { serverName }) };
}

function credentialsOf({ value: user, file }: Entry<User>): KubeCredentials {
  if (user['auth-provider'] || user.username)
    throw new NsmError(
      'invalid',
      `kubeconfig ${file}: auth-provider and username are not supported by Kubernetes any more; use exec, a token or a certificate`,
    );
  if (user.exec) return programCredentials(user.exec);
  const cert = pem(file, user['client-certificate'], user['client-certificate-data']);
  const key = pem(file, user['client-key'], user['client-key-data']);
  const { token, tokenFile } = user;
  return {
    ...(tokenFile ? fileToken(resolve(dirname(file), tokenFile)) : token ? { token: async () => token } : {}),
    ...(cert && key && { certificate: async () => ({ cert: cert(), key: key() }) }),
  };
}

/** Data wins over a path. Files are read when they are needed: they may be replaced. */
function pem(file: string, path: string | undefined, data: string | undefined): (() => string) | undefined {
  if (data) {
    const text = Buffer.from(data, 'base64').toString('utf8');
    return () => text;
  }
  return path ? () => readFileSync(resolve(dirname(file), path), 'utf8') : undefined;
}
