// Completion scripts, written from the command tree: what `nsm --help` knows, Tab knows.
import type { Command } from 'commander';
import { bashScript } from './bash-script.js';
import { fishScript } from './fish-script.js';
import type { Shell } from './shells.js';
import { commandWords } from './words.js';
import { zshScript } from './zsh-script.js';

export function completionScript(shell: Shell, program: Command): string {
  const commands = commandWords(program);
  switch (shell) {
    case 'bash':
      return bashScript(commands);
    case 'zsh':
      return zshScript(commands);
    case 'fish':
      return fishScript(commands);
  }
}
