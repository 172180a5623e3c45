// The part of a completion script that bash and zsh read alike: what there is to complete in each place.
import { grouped } from '@nsm/views/grouped';
import type { CommandWords, Values } from './words.js';

/** Shell functions that print or offer what a command, a flag or an argument takes; they call `__nsm_words` and so on. */
export function shellTables(commands: readonly CommandWords[]): string {
  const flags = commands.map(({ path, flags }) =>
    arm(quote(path), `echo ${quote(flags.map(({ long }) => long).join(' '))}`),
  );
  const children = commands
    .filter(({ children }) => children.length > 0)
    .map(({ path, children }) =>
      arm(quote(path), `echo ${quote(children.map(({ name }) => name).join(' '))}`),
    );
  const values = valuesOfFlags(commands).map(([pattern, value]) => arm(pattern, offer(value)));
  // Patterns are tried in order: what depends on the first argument comes before what does not.
  const dependent = commands.flatMap(({ path, after }) =>
    Object.entries(after).map(([first, value]) => arm(quote(`${path}:1:${first}`), offer(value))),
  );
  const positions = commands.flatMap(({ path, arguments: all }) =>
    all.map((value, index) => arm(`${quote(`${path}:${index}:`)}*`, offer(value))),
  );
  const table = (name: string, subject: string, arms: readonly string[]): string =>
    `${name}() {\n  case "${subject}" in\n${arms.join('\n')}\n  esac\n}\n`;
  return [
    table('__nsm_flags', '$1', flags),
    table('__nsm_children', '$1', children),
    table('__nsm_flag_value', '$1:$2', values),
    table('__nsm_argument', '$1:$2:$3', [...dependent, ...positions]),
  ].join('');
}

/** A pattern of all flags that take a value. */
function valueFlagPattern(commands: readonly CommandWords[]): string {
  const all = flagsWithValues(commands).map(({ long }) => long);
  return [...new Set(all)].join('|');
}

/**
 * The walk over the words before the cursor, in the language that bash and zsh share: it leaves the command in `at`,
 * the number of its arguments in `count`, the first of them in `first`, and a flag that waits for its value in `expects`.
 */
export function shellWalk(commands: readonly CommandWords[]): string {
  return `    if [[ -n $expects ]]; then
      [[ $expects == --run-dir ]] && run_dir=(--run-dir "$word")
      expects=""
    elif [[ $word == --run-dir=* ]]; then
      run_dir=("$word")
    elif [[ $word == -* ]]; then
      case "$word" in ${valueFlagPattern(commands)}) expects="$word" ;; esac
    elif [[ $count == 0 && " $(__nsm_children "$at") " == *" $word "* ]]; then
      at="\${at:+$at }$word"
    else
      [[ $count == 0 ]] && first="$word"
      count=$((count + 1))
    fi
`;
}

/** What follows the walk: one of four things can stand at the cursor. */
export const shellOffer = `  if [[ -n $expects ]]; then
    __nsm_flag_value "$at" "$expects"
  elif [[ $cur == -* ]]; then
    __nsm_words "$(__nsm_flags "$at")"
  elif [[ $count == 0 && -n $(__nsm_children "$at") ]]; then
    __nsm_words "$(__nsm_children "$at")"
  else
    __nsm_argument "$at" "$count" "$first"
  fi
`;

/** For sh and fish alike, as long as there is no backslash. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** By pattern of `COMMAND:FLAG`: a flag mostly means the same in every command that has it. */
function valuesOfFlags(commands: readonly CommandWords[]): [string, Values][] {
  const byFlag = grouped(flagsWithValues(commands), ({ long }) => long);
  return [...byFlag.values()].flatMap((all) => {
    const same = new Set(all.map(({ values }) => JSON.stringify(values))).size === 1;
    const arms = all.map(({ path, long, values }): [string, Values] => [
      same ? `*:${long}` : quote(`${path}:${long}`),
      values,
    ]);
    return same ? arms.slice(0, 1) : arms;
  });
}

function flagsWithValues(
  commands: readonly CommandWords[],
): { readonly path: string; readonly long: string; readonly values: Values }[] {
  return commands.flatMap(({ path, flags }) =>
    flags.flatMap(({ long, values }) => (values ? [{ path, long, values }] : [])),
  );
}

function arm(pattern: string, action: string): string {
  return `    ${pattern}) ${action} ;;`;
}

function offer(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `__nsm_words ${quote(values.words.join(' '))}`;
    case 'names':
      return `__nsm_names ${values.names}`;
    case 'files':
      return '__nsm_files';
    case 'folders':
      return '__nsm_folders';
    case 'namespaces':
      return '__nsm_namespaces';
    case 'none':
      return ':';
  }
}
