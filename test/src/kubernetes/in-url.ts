// An address of a pod, of either family, in a URL.
import { isIPv6 } from 'node:net';

export const inUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host);
