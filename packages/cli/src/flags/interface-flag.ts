// The value of --interface: `kernel:first`, `mem`, `kernel:second?name=fw0&mac=02:00:00:00:00:01`.
import type { InterfaceKind, InterfaceOptions, Preference } from '@nsm/sdk';
import { InvalidArgumentError } from 'commander';

// Repeated from the SDK, which is too slow to load for `nsm --help`; a test holds them together.
export const interfaceKinds: readonly InterfaceKind[] = ['default', 'kernel', 'vhost', 'mem', 'sriov', 'hw'];
export const preferences: readonly Preference[] = ['first', 'second', 'third', 'fourth', 'fifth'];

/** Reads TYPE[:PREFERENCE][?NAME=VALUE[&NAME=VALUE]…], with %XX in a value for a byte of UTF-8: %2C for a comma, which ends a list's entry. */
export function parseInterface(text: string): InterfaceOptions {
  const [head = '', query] = splitOnce(text, '?');
  const [type = '', preference, ...rest] = head.toLowerCase().replace('_interface', '').split(':');
  const parameters = query === undefined ? undefined : parseParameters(query);
  if (!isOneOf(interfaceKinds, type) || rest.length > 0) throw invalid();
  if (preference !== undefined && !isOneOf(preferences, preference)) throw invalid();
  return { type, ...(preference ? { preference } : {}), ...(parameters ? { parameters } : {}) };
}

function parseParameters(query: string): Record<string, string> {
  const entries = query.split('&').map((part) => splitOnce(part, '='));
  return Object.fromEntries(
    entries.map(([name = '', value]) => {
      if (name === '' || value === undefined) throw invalid();
      return [name, decoded(value)];
    }),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidArgumentError(
      `In ${JSON.stringify(text)} a "%" is not followed by two hexadecimal digits of UTF-8: write %25 for "%".`,
    );
  }
}

function invalid(): InvalidArgumentError {
  return new InvalidArgumentError(
    `Write TYPE, TYPE:PREFERENCE or TYPE:PREFERENCE?NAME=VALUE&…, where TYPE is ${interfaceKinds.join(', ')} ` +
      `and PREFERENCE is ${preferences.join(', ')}.`,
  );
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function isOneOf<T extends string>(all: readonly T[], text: string): text is T {
  return (all as readonly string[]).includes(text);
}
