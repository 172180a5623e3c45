// nsm completion: scripts that let a shell complete commands, flags and names.
import { Argument, Command } from 'commander';
import { examples } from '../../examples.js';
import { type Shell, shells } from './shells.js';

export function completionCommand(): Command {
  return new Command('completion')
    .summary('print a completion script for your shell')
    .description(
      'Prints a script that completes commands, flags, and the names of services, endpoints and connections.\n' +
        '  bash: source <(nsm completion bash)\n' +
        '  zsh:  source <(nsm completion zsh)\n' +
        '  fish: nsm completion fish | source',
    )
    .addArgument(new Argument('<shell>', 'your shell').choices(shells))
    .addHelpText(
      'after',
      examples(
        ['source <(nsm completion bash)', 'for this shell'],
        ['nsm completion fish > ~/.config/fish/completions/nsm.fish', 'for all to come'],
      ),
    )
    .action(async (shell: Shell, _flags: object, command: Command) => {
      const { completionScript } = await import('./scripts.js');
      process.stdout.write(completionScript(shell, command.parent ?? command));
    });
}
