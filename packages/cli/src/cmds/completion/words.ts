// The command tree as completion sees it: for each command its words, its flags, and what its arguments are.
import type { Argument, Command, Option } from 'commander';
import { interfaceKinds } from '../../flags/interface-flag.js';
import { captureWords } from '../capture/flags.js';
import { groupNames } from '../check/group-names.js';
import { connectionStates } from '../get/flags.js';
import { watchTopics } from '../watch/flags.js';
import type { NameKind } from './name-kinds.js';

/** What can stand in one place of a command line. */
export type Values =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'names'; readonly names: NameKind }
  | { readonly kind: 'files' }
  | { readonly kind: 'folders' }
  | { readonly kind: 'namespaces' }
  | { readonly kind: 'none' };

export interface FlagWords {
  /** Such as `--run-dir`. */
  readonly long: string;
  readonly description: string;
  /** Undefined for a switch. */
  readonly values?: Values;
}

export interface CommandWords {
  /** `lab up`; empty for nsm itself. */
  readonly path: string;
  readonly children: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly FlagWords[];
  /** Of the first argument, the second, …. */
  readonly arguments: readonly Values[];
  /** For commands whose second argument depends on the first: `describe`. */
  readonly after: Readonly<Record<string, Values>>;
}

const names: Readonly<Record<string, Values>> = {
  'connect service': { kind: 'names', names: 'services' },
  'disconnect service': { kind: 'names', names: 'services' },
  'ping connection': { kind: 'names', names: 'connections' },
  'trace connection': { kind: 'names', names: 'connections' },
  'bench connection': { kind: 'names', names: 'connections' },
  'capture connection': { kind: 'names', names: 'connections' },
  'explain service': { kind: 'names', names: 'services' },
  'policy test service': { kind: 'names', names: 'services' },
  'lab inspect lab': { kind: 'names', names: 'labs' },
  'lab exec lab': { kind: 'names', names: 'labs' },
  'lab exec member': { kind: 'names', names: 'members' },
  'lab down lab': { kind: 'names', names: 'labs' },
  'lab up file': { kind: 'files' },
};

const afterDescribe: Readonly<Record<string, Values>> = {
  service: { kind: 'names', names: 'services' },
  endpoint: { kind: 'names', names: 'endpoints' },
  connection: { kind: 'names', names: 'connections' },
};

/** Every command with those below it, nsm itself first. */
export function commandWords(program: Command): CommandWords[] {
  const help = program.createHelp();
  const visit = (command: Command, path: string): CommandWords[] => {
    const children = command.commands.filter((child) => !child.name().startsWith('__'));
    const own: CommandWords = {
      path,
      children: children.map((child) => ({ name: child.name(), summary: help.subcommandDescription(child) })),
      flags: help.visibleOptions(command).map((option) => flagWords(path, option)),
      arguments: command.registeredArguments.map((argument) => argumentValues(path, argument)),
      after: path === 'describe' ? afterDescribe : {},
    };
    return [own, ...children.flatMap((child) => visit(child, `${path} ${child.name()}`.trim()))];
  };
  return visit(program, '');
}

function flagWords(path: string, option: Option): FlagWords {
  const base = { long: option.long ?? '', description: option.description };
  return option.isBoolean() || (!option.required && !option.optional)
    ? base
    : { ...base, values: flagValues(path, option) };
}

function flagValues(path: string, option: Option): Values {
  if (option.argChoices) return { kind: 'words', words: option.argChoices };
  switch (option.long) {
    case '--run-dir':
    case '--state-dir':
      return { kind: 'folders' };
    case '--archive':
    case '--socket':
    case '--forwarder-socket':
      return { kind: 'files' };
    case '--netns':
    case '--from':
      return { kind: 'namespaces' };
    case '--id':
      return { kind: 'names', names: 'connections' };
    case '--at':
      return { kind: 'words', words: captureWords };
    case '--write':
      return { kind: 'files' };
    case '--service':
      return { kind: 'names', names: 'services' };
    case '--state':
      return { kind: 'words', words: connectionStates.map((state) => state.toLowerCase()) };
    case '--registry':
      return { kind: 'words', words: ['embedded:', 'nsm://'] };
    case '--only':
      return { kind: 'words', words: path === 'check' ? groupNames : watchTopics };
    case '--junit':
      return { kind: 'files' };
    case '--interface':
      return { kind: 'words', words: interfaceKinds.filter((kind) => kind !== 'default') };
    default:
      return { kind: 'none' };
  }
}

function argumentValues(path: string, argument: Argument): Values {
  if (argument.argChoices) return { kind: 'words', words: argument.argChoices };
  return names[`${path} ${argument.name()}`] ?? { kind: 'none' };
}
