// `etcd://HOST:2379,HOST2:2379[/PREFIX]`: where the members of an etcd are, and below which prefix the records of the mesh.
import { NsmError } from '@nsm/api';

export interface EtcdUrl {
  /** HOST:PORT of each member that may be asked. */
  readonly members: readonly string[];
  /** Begins and ends with '/'. */
  readonly prefix: string;
  /** Of `etcds://`. */
  readonly tls: boolean;
}

const defaultPort = 2379;
const defaultPrefix = '/nsm/';

/** @throws NsmError `invalid` */
export function parseEtcdUrl(url: string): EtcdUrl {
  const [, scheme, hosts = '', path = ''] =
    /^(etcds?):\/\/([^/\s]*)((?:\/[A-Za-z0-9._-]+)*\/?)$/.exec(url) ?? [];
  if (hosts.includes('@'))
    throw new NsmError(
      'invalid',
      'a registry URL has no user or password of etcd: use --etcd-user, and NSM_ETCD_PASSWORD or --etcd-password-file',
    );
  const members = hosts.split(',').map(parseMember);
  if (scheme === undefined || members.includes(undefined))
    throw new NsmError(
      'invalid',
      `registry ${JSON.stringify(url)}: expected etcd://HOST:PORT,HOST:PORT or etcds://HOST:PORT,HOST:PORT, with a /PREFIX or none`,
    );
  return {
    members: members.filter((member) => member !== undefined),
    prefix: path === '' || path === '/' ? defaultPrefix : `${path.replace(/\/$/, '')}/`,
    tls: scheme === 'etcds',
  };
}

function parseMember(text: string): string | undefined {
  const [, host, port = defaultPort] =
    /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/.exec(text) ?? [];
  return host === undefined || Number(port) > 65_535 ? undefined : `${host}:${port}`;
}

/** True of a member on this machine, to which plain text is no risk. */
export function isLoopback(member: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\]):\d+$/.test(member);
}
