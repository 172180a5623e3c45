// Completion scripts, written from the command tree: what `nsm --help` knows, Tab knows.
import type { Command } from 'commander';
import type { Shell } from './options.js';
import { type CommandWords, commandWords, type Values } from './words.js';

export function completionScript(shell: Shell, program: Command): string {
  const commands = commandWords(program);
  switch (shell) {
    case 'bash':
      return bashScript(commands);
    case 'zsh':
      // zsh reads bash completions; its own colon handling makes COMP_WORDBREAKS superfluous.
      return `#compdef nsm\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(commands)}`;
    case 'fish':
      return fishScript(commands);
  }
}

function bashScript(commands: readonly CommandWords[]): string {
  const flags = commands.map(
    ({ path, flags }) => `    ${quote(path)}) echo ${quote(flags.map(({ long }) => long).join(' '))} ;;`,
  );
  const children = commands
    .filter(({ children }) => children.length > 0)
    .map(
      ({ path, children }) =>
        `    ${quote(path)}) echo ${quote(children.map(({ name }) => name).join(' '))} ;;`,
    );
  const values = uniqueFlags(commands).map(([key, value]) => `    ${key}) ${bashValues(value)} ;;`);
  const takesValue = uniqueFlags(commands).map(([key]) => key);
  const positions = commands.flatMap(({ path, arguments: all, after }) => [
    ...all.map((value, index) => `    ${quote(`${path}:${index}:`)}*) ${bashValues(value)} ;;`),
    ...Object.entries(after).map(
      ([first, value]) => `    ${quote(`${path}:1:${first}`)}) ${bashValues(value)} ;;`,
    ),
  ]);
  // Patterns are tried in order: what depends on the first argument comes before what does not.
  positions.sort((a, b) => Number(a.includes('*)')) - Number(b.includes('*)')));
  return `# bash completion for nsm; made by \`nsm completion\`
__nsm_flags() {
  case "$1" in
${flags.join('\n')}
  esac
}
__nsm_children() {
  case "$1" in
${children.join('\n')}
  esac
}
__nsm_words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }
__nsm_names() { __nsm_words "$(nsm __names "$1" "\${run_dir[@]}" 2>/dev/null)"; }
__nsm_files() { COMPREPLY=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null; }
__nsm_folders() { COMPREPLY=($(compgen -d -- "$cur")); compopt -o filenames 2>/dev/null; }
__nsm_namespaces() { __nsm_words "$(ls /run/netns 2>/dev/null)"; }
__nsm_flag_value() {
  case "$1" in
${values.join('\n')}
  esac
}
__nsm_argument() {
  case "$1:$2:$3" in
${positions.join('\n')}
  esac
}
_nsm() {
  local cur words cword
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n =: cur words cword
  else
    words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur="\${COMP_WORDS[COMP_CWORD]}"
  fi
  local path="" count=0 first="" expects="" run_dir=() word i
  COMPREPLY=()
  for ((i = 1; i < cword; i++)); do
    word="\${words[i]}"
    if [[ -n $expects ]]; then
      [[ $expects == --run-dir ]] && run_dir=(--run-dir "$word")
      expects=""
    elif [[ $word == --run-dir=* ]]; then
      run_dir=("$word")
    elif [[ $word == -* ]]; then
      case "$word" in ${takesValue.join('|') || '""'}) expects="$word" ;; esac
    elif [[ $count == 0 && " $(__nsm_children "$path") " == *" $word "* ]]; then
      path="\${path:+$path }$word"
    else
      [[ $count == 0 ]] && first="$word"
      count=$((count + 1))
    fi
  done
  if [[ -n $expects ]]; then
    __nsm_flag_value "$expects"
  elif [[ $cur == -* ]]; then
    __nsm_words "$(__nsm_flags "$path")"
  elif [[ $count == 0 && -n $(__nsm_children "$path") ]]; then
    __nsm_words "$(__nsm_children "$path")"
  else
    __nsm_argument "$path" "$count" "$first"
  fi
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
  return 0
}
complete -F _nsm nsm
`;
}

/** A flag means the same in every command that has it. */
function uniqueFlags(commands: readonly CommandWords[]): [string, Values][] {
  const all = commands.flatMap(({ flags }) =>
    flags.flatMap(({ long, values }): [string, Values][] => (values ? [[long, values]] : [])),
  );
  return [...new Map(all)];
}

function bashValues(values: Values): string {
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

function fishScript(commands: readonly CommandWords[]): string {
  const lines = commands.flatMap(({ path, children, flags, arguments: all, after }) => {
    const at = `-n ${quote(`__nsm_at ${path}`.trim())}`;
    return [
      ...children.map(({ name, summary }) => `complete -c nsm -f ${at} -a ${name} -d ${quote(summary)}`),
      ...flags.map(
        ({ long, description, values }) =>
          `complete -c nsm -n ${quote(`__nsm_under ${path}`.trim())} -l ${long.slice(2)} -d ${quote(description)}` +
          (values ? ` -x${fishValues(values)}` : ''),
      ),
      ...all
        .slice(0, 1)
        .flatMap((value) => (value.kind === 'none' ? [] : [`complete -c nsm -f ${at}${fishValues(value)}`])),
      ...Object.entries(after).map(
        ([first, value]) => `complete -c nsm -f -n ${quote(`__nsm_at ${path} ${first}`)}${fishValues(value)}`,
      ),
    ];
  });
  return `# fish completion for nsm; made by \`nsm completion\`
function __nsm_plain
    # The words before the cursor without flags. (A flag's value counts as a word: flags go last.)
    string match -v -- '-*' (commandline -opc)[2..-1]
end
function __nsm_at
    test (count (__nsm_plain)) -eq (count $argv); and __nsm_under $argv
end
function __nsm_under
    set -l words (__nsm_plain)
    for i in (seq (count $argv))
        test "$words[$i]" = "$argv[$i]"; or return 1
    end
end
complete -c nsm -f
${lines.join('\n')}
`;
}

function fishValues(values: Values): string {
  switch (values.kind) {
    case 'words':
      return ` -a ${quote(values.words.join(' '))}`;
    case 'names':
      return ` -a ${quote(`(nsm __names ${values.names} 2>/dev/null)`)}`;
    case 'files':
      return ' -F';
    case 'folders':
      return ` -a ${quote('(__fish_complete_directories)')}`;
    case 'namespaces':
      return ` -a ${quote('(ls /run/netns 2>/dev/null)')}`;
    case 'none':
      return '';
  }
}

/** For sh and fish alike, as long as there is no backslash. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
