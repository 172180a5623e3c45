// The flag by which whoever runs a daemon says what one pod may have.
import { defaultLimits, type Limits } from '@nsm/manager/limits';
import { InvalidArgumentError, type Option } from 'commander';
import { flag, parseInteger } from './flags.js';

export type LimitFlag = readonly (readonly [keyof Limits, number])[];

/** @param names those that the daemon keeps. */
export function limitFlag(names: readonly (keyof Limits)[]): Option {
  const defaults = names.map((name) => `${name}=${defaultLimits[name]}`).join(', ');
  return flag('--limit <what=number>', `what one pod may have: ${defaults}; may be repeated`, {
    list: true,
    parse: (text: string) => parseLimit(names, text),
  });
}

/** Reads WHAT=NUMBER. */
function parseLimit(names: readonly (keyof Limits)[], text: string): LimitFlag[number] {
  const [what, number = ''] = text.split('=');
  const name = names.find((one) => one === what);
  if (!name) throw new InvalidArgumentError(`Write one of ${names.join(', ')}, =, and a number.`);
  return [name, parseInteger(name === 'userFactor' ? 1 : 0, 0xffff_ffff)(number)];
}
