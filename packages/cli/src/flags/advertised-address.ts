// The address by which other nodes reach this host, where no flag says.
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { splitHostPort } from '@nsm/api';

/**
 * HOST:PORT for a listening address: its host if it names one, otherwise the address of the device with the default
 * route, otherwise the first that is not loopback, otherwise loopback.
 */
export function advertisedAddress(
  listen: string,
  devices: NodeJS.Dict<{ readonly address: string; readonly internal: boolean }[]> = networkInterfaces(),
  defaultDevice: string | undefined = defaultRouteDevice(),
): string {
  const { host, port } = splitHostPort(listen);
  const join = (address: string): string => (isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`);
  if (!['0.0.0.0', '::'].includes(host)) return join(host);
  const usable = (name: string | undefined): string[] =>
    (devices[name ?? ''] ?? [])
      .filter(({ address, internal }) => !internal && !address.startsWith('fe80:'))
      .map(({ address }) => address)
      .sort((a, b) => Number(isIPv6(a)) - Number(isIPv6(b)));
  const first = [defaultDevice, ...Object.keys(devices)].flatMap(usable)[0];
  return join(first ?? '127.0.0.1');
}

/** The device of the IPv4 default route; route table as in proc(5). */
function defaultRouteDevice(): string | undefined {
  try {
    const lines = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1);
    return lines
      .map((line) => line.split('\t'))
      .find(([, to, , , , , , mask]) => to === '00000000' && mask === '00000000')?.[0];
  } catch {
    return undefined;
  }
}
