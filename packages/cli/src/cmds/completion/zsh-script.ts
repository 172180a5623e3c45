// The completion script for zsh: to be sourced after compinit, or put into fpath as _nsm.
import { shellOffer, shellTables, shellWalk } from './tables.js';
import type { CommandWords } from './words.js';

export function zshScript(commands: readonly CommandWords[]): string {
  return `#compdef nsm
# zsh completion for nsm; made by \`nsm completion zsh\`
# What is offered is data: compadd quotes it, and options that would have zsh expand it are off.
__nsm_words() { compadd -- \${=1}; }
__nsm_names() { compadd -- \${(f)"$(nsm __names "$1" "\${run_dir[@]}" 2>/dev/null)"}; }
__nsm_files() { _files; }
__nsm_folders() { _files -/; }
__nsm_namespaces() { compadd -- /run/netns/*(N:t); }
${shellTables(commands)}_nsm() {
  setopt localoptions no_glob_subst no_sh_word_split
  local cur="\${words[CURRENT]}" at="" first="" expects="" word
  local -i count=0 i
  local -a run_dir
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
${shellWalk(commands)}  done
  if [[ $cur == --*=* ]]; then
    expects="\${cur%%=*}"
    compset -P '*='
  fi
${shellOffer}}
if [[ "\${funcstack[1]}" == _nsm ]]; then _nsm; else compdef _nsm nsm; fi
`;
}
