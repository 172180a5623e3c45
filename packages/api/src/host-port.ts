// The two parts of HOST:PORT.

export interface HostPort {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  /** 0 where none is named. */
  readonly port: number;
}

export function splitHostPort(address: string): HostPort {
  const [, host = address, port = '0'] = /^(.*):(\d+)$/.exec(address) ?? [];
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}
