// The completion script for bash; needs nothing but bash.
import { shellOffer, shellTables, shellWalk } from './tables.js';
import type { CommandWords } from './words.js';

export function bashScript(commands: readonly CommandWords[]): string {
  return `# bash completion for nsm; made by \`nsm completion bash\`
# What is offered is data, one a line: nothing here expands it, and what the shell would expand is quoted.
__nsm_lines() {
  local word
  while IFS= read -r word; do
    [[ -n $word && $word == "$cur"* ]] || continue
    printf -v word %q "$word"
    COMPREPLY+=("$word")
  done <<< "$1"
}
__nsm_words() { __nsm_lines "\${1// /$'\\n'}"; }
__nsm_names() { __nsm_lines "$(nsm __names "$1" "\${run_dir[@]}" 2>/dev/null)"; }
__nsm_files() { mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames 2>/dev/null; }
__nsm_folders() { mapfile -t COMPREPLY < <(compgen -d -- "$cur"); compopt -o filenames 2>/dev/null; }
__nsm_namespaces() { __nsm_lines "$(ls /run/netns 2>/dev/null)"; }
${shellTables(commands)}_nsm() {
  # bash splits words at : and =, which connection ids and --flag=value contain; the line itself is whole.
  local line="\${COMP_LINE:0:COMP_POINT}" words cur at="" count=0 first="" expects="" run_dir=() word i
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur="\${words[\${#words[@]}-1]}"
  COMPREPLY=()
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    word="\${words[i]}"
${shellWalk(commands)}  done
  if [[ $cur == --*=* ]]; then
    expects="\${cur%%=*}"
    cur="\${cur#*=}"
  fi
${shellOffer}  # What bash replaces begins after the last colon.
  if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
    for ((i = 0; i < \${#COMPREPLY[@]}; i++)); do COMPREPLY[i]="\${COMPREPLY[i]#"\${cur%"\${cur##*:}"}"}"; done
  fi
  return 0
}
complete -F _nsm nsm
`;
}
