// Names for the numbers of routing: families, scopes, route types, protocols, tables (linux/rtnetlink.h).
import { DecodeError } from '../decode-error.js';
import { AF_BRIDGE, AF_INET, AF_INET6, AF_UNSPEC } from '../libc/libc.js';

export type Family = 'ipv4' | 'ipv6';

/** AF_ number of a family; AF_UNSPEC, meaning both, for undefined. */
export const familyNumber = (family: Family | undefined): number =>
  family === undefined ? AF_UNSPEC : family === 'ipv4' ? AF_INET : AF_INET6;

/** @throws DecodeError for anything but IPv4, IPv6 and (as IPv4, where a bridge speaks) AF_BRIDGE */
export const familyName = (number: number): Family => {
  if (number === AF_INET || number === AF_BRIDGE) return 'ipv4';
  if (number === AF_INET6) return 'ipv6';
  throw new DecodeError(`address family ${number}`);
};

const SCOPES = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;

/** How far an address or route is valid; other values as numbers 0–255. */
export type Scope = keyof typeof SCOPES | number;

export const scopeNumber = (scope: Scope): number => (typeof scope === 'number' ? scope : SCOPES[scope]);

export const scopeName = (number: number): Scope =>
  (Object.keys(SCOPES) as (keyof typeof SCOPES)[]).find((name) => SCOPES[name] === number) ?? number;

const ROUTE_TYPES = [
  'unspecified',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
] as const;

/** What happens to a packet that a route matches. */
export type RouteType = (typeof ROUTE_TYPES)[number];

export const routeTypeNumber = (type: RouteType): number => ROUTE_TYPES.indexOf(type);

export const routeTypeName = (number: number): RouteType => ROUTE_TYPES[number] ?? 'unspecified';

const TABLES = { default: 253, main: 254, local: 255 } as const;

/** A routing table by name or number, 1–4294967295. */
export type Table = keyof typeof TABLES | number;

export const tableNumber = (table: Table): number => (typeof table === 'number' ? table : TABLES[table]);

export const tableName = (number: number): Table =>
  (Object.keys(TABLES) as (keyof typeof TABLES)[]).find((name) => TABLES[name] === number) ?? number;

const PROTOCOLS = {
  unspecified: 0,
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  ra: 9,
  dhcp: 16,
  bgp: 186,
} as const;

/** Who made a route or rule: the kernel itself, an administrator, a routing daemon …; others are numbers up to 255. */
export type Protocol = keyof typeof PROTOCOLS | number;

export const protocolNumber = (protocol: Protocol): number =>
  typeof protocol === 'number' ? protocol : PROTOCOLS[protocol];

export const protocolName = (number: number): Protocol =>
  (Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[]).find((name) => PROTOCOLS[name] === number) ?? number;
