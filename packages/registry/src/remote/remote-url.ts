// Where another manager, or `nsm registry`, holds the records.
import { isName, NsmError } from '@nsm/api';

/** `nsm://[NAME@]HOST:PORT`. @throws NsmError `invalid` */
export function parseRemoteUrl(url: string): { readonly address: string; readonly name: string | undefined } {
  const [, name, address, port] = /^nsm:\/\/(?:([^/\s@]+)@)?([^/\s@]+:(\d{1,5}))\/?$/.exec(url) ?? [];
  if (address === undefined || Number(port) > 65_535 || (name !== undefined && !isName(name)))
    throw new NsmError('invalid', `registry ${url}: expected nsm://HOST:PORT or nsm://NAME@HOST:PORT`);
  return { address, name };
}
