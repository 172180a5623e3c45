// Flags: each is also an environment variable, and a bad value is answered with the accepted form.

import { splitHostPort } from '@nsm/api';
import { whyNoHostAddress } from '@nsm/netlink/host-address';
import { IpPrefix } from '@nsm/netlink/ip-prefix';
import { InvalidArgumentError, Option } from 'commander';
import { switchedOff, unset } from '../config.js';

export interface FlagSettings<T> {
  readonly default?: T;
  /** What the default is, where the value itself says too little. */
  readonly defaultText?: string;
  /** Reads one value. @throws InvalidArgumentError with the accepted form. */
  readonly parse?: (text: string) => T;
  /** May be repeated, or hold several values separated by commas. */
  readonly list?: boolean;
  readonly choices?: readonly string[];
}

/** A flag such as `--run-dir <dir>`, with its variable NSM_RUN_DIR. */
export function flag<T>(definition: string, description: string, settings: FlagSettings<T> = {}): Option {
  const option = new Option(definition, description);
  const variable = variableOf(option);
  // Commander takes a switch for on when its variable exists at all. A variable without a value is one that is not set.
  if (option.isBoolean() ? !switchedOff(variable) : !unset(variable)) option.env(variable);
  const { parse: read = (text: string) => text as T } = settings;
  const parse = (text: string): T => {
    if (text.trim() === '') throw new InvalidArgumentError('Give it a value, or leave it out.');
    return read(text);
  };
  if (settings.choices) option.choices(settings.choices);
  else if (settings.list) {
    option.default([], settings.defaultText);
    option.argParser((text: string, before: readonly T[]) => [...before, ...split(text).map(parse)]);
  } else if (!option.isBoolean()) option.argParser((text: string) => parse(text));
  if (settings.default !== undefined) option.default(settings.default, settings.defaultText);
  return option;
}

/** Name of the variable that stands for a flag, such as NSM_RUN_DIR for `--run-dir`. */
export function variableOf(option: Option): string {
  return option.envVar ?? `NSM_${option.attributeName().replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

/** `k=v`. */
export function parseLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write a label as KEY=VALUE.');
  return [text.slice(0, at), text.slice(at + 1)];
}

/** A whole number from `least` to `most`. */
export function parseInteger(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** Seconds, as `5`, `0.5`, `5s` or `200ms`; gives milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text);
  if (!match) throw new InvalidArgumentError('Write a duration as 5s, 0.5s, 200ms or 2m.');
  const unit = { ms: 1, s: 1000, m: 60_000 }[match[2] ?? 's'] ?? 1000;
  return Math.round(Number(match[1]) * unit);
}

/** A duration within bounds, which are written as the flag takes them; gives milliseconds. */
export function parseDurationFrom(least: string, most: string): (text: string) => number {
  return (text) => {
    const duration = parseDuration(text);
    if (duration < parseDuration(least) || duration > parseDuration(most))
      throw new InvalidArgumentError(`Write a duration from ${least} to ${most}.`);
    return duration;
  };
}

/** `HOST:PORT`; an IPv6 address in brackets, an IPv4 address with or without. An address is given back in the one way it is written everywhere. */
export function parseHostPort(text: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[^:\s[\]]+):(\d{1,5})$/i.exec(text);
  const [, host = '', port = ''] = match ?? [];
  const address = IpPrefix.parseAddress(host.replace(/^\[(.*)\]$/, '$1'));
  if (!match || Number(port) > 65_535 || (host.startsWith('[') && !address))
    throw new InvalidArgumentError('Write HOST:PORT, an IPv6 address in brackets: [fd00::1]:5001.');
  if (!address) return text;
  return address.version === 6 ? `[${address.address}]:${port}` : `${address.address}:${port}`;
}

/** `http://…` or `https://…`. */
export function parseHttpUrl(text: string): string {
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError('Write a URL as http://HOST:PORT or https://HOST:PORT/PATH.');
  return text;
}

/** `HOST:PORT` that others can call: not an address that stands for every one of this host, or for none of one. */
export function parseReachable(text: string): string {
  const reachable = parseHostPort(text);
  const address = IpPrefix.parseAddress(splitHostPort(reachable).host);
  const why = address && !isLoopback(address) ? whyNoHostAddress(address) : '';
  if (why !== '')
    throw new InvalidArgumentError(
      `Nobody can call ${address?.address}, which ${why}: write an address or name of this host as others reach it, such as 192.0.2.1:5001.`,
    );
  return reachable;
}

/** Managers of one host call each other by it. */
function isLoopback({ version, value }: IpPrefix): boolean {
  return version === 4 ? value >> 24n === 127n : value === 1n;
}

/** Nothing at all is a value, too, and a bad one. */
function split(text: string): string[] {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return parts.length > 0 ? parts : [''];
}
