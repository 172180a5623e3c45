// Flags: each is also an environment variable, and a bad value is answered with the accepted form.
import { IpPrefix } from '@nsm/netlink/ip-prefix';
import { InvalidArgumentError, Option } from 'commander';
import { switchedOff } from './config.js';

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
  const variable = `NSM_${option.attributeName().replace(/[A-Z]/g, '_$&').toUpperCase()}`;
  // Commander takes a switch for on when its variable exists at all.
  if (!option.isBoolean() || !switchedOff(variable)) option.env(variable);
  const { parse = (text: string) => text as T } = settings;
  if (settings.choices) option.choices(settings.choices);
  else if (settings.list) {
    option.default([], settings.defaultText);
    option.argParser((text: string, before: readonly T[]) => [...before, ...split(text).map(parse)]);
  } else if (settings.parse) option.argParser((text: string) => parse(text));
  if (settings.default !== undefined) option.default(settings.default, settings.defaultText);
  return option;
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

/** `HOST:PORT`; an IPv6 address in brackets. An address is given back in the one way it is written everywhere. */
export function parseHostPort(text: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[^:\s[\]]+):(\d{1,5})$/i.exec(text);
  const [, host = '', port = ''] = match ?? [];
  const address = IpPrefix.parseAddress(host.replace(/^\[(.*)\]$/, '$1'));
  if (!match || Number(port) > 65_535 || (host.startsWith('[') && !address))
    throw new InvalidArgumentError('Write HOST:PORT, an IPv6 address in brackets: [fd00::1]:5001.');
  if (!address) return text;
  return address.version === 6 ? `[${address.address}]:${port}` : `${address.address}:${port}`;
}

/** `HOST:PORT` that others can call: not the address that stands for every one of this host. */
export function parseReachable(text: string): string {
  const reachable = parseHostPort(text);
  const host = reachable.replace(/:\d+$/, '');
  if (host === '0.0.0.0' || host === '[::]')
    throw new InvalidArgumentError(
      `Nobody can call ${host}: write an address or name of this host as others reach it, such as 192.0.2.1:5001.`,
    );
  return reachable;
}

function split(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
