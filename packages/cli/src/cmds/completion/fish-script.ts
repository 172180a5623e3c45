// The completion script for fish.
import { quote } from './tables.js';
import type { CommandWords, Values } from './words.js';

export function fishScript(commands: readonly CommandWords[]): string {
  return `# fish completion for nsm; made by \`nsm completion fish\`
function __nsm_plain
    # The words before the cursor that are no flags. A flag's value counts too: flags go last.
    string match -v -- '-*' (commandline -opc)[2..-1]
end
function __nsm_under
    set -l words (__nsm_plain)
    for i in (seq (count $argv))
        test "$words[$i]" = "$argv[$i]"; or return 1
    end
end
function __nsm_at
    test (count (__nsm_plain)) -eq (count $argv); and __nsm_under $argv
end
function __nsm_further
    # Arguments that were given before, then the command.
    test (count (__nsm_plain)) -eq (math $argv[1] + (count $argv[2..-1])); and __nsm_under $argv[2..-1]
end
complete -c nsm -f
${commands.flatMap(commandLines).join('\n')}
`;
}

function commandLines({ path, children, flags, arguments: all, after }: CommandWords): string[] {
  const at = `complete -c nsm -n ${condition('__nsm_at', path)}`;
  const [first, ...further] = all;
  return [
    ...children.map(({ name, summary }) => `${at} -f -a ${name} -d ${quote(summary)}`),
    ...flags.map(
      ({ long, description, values }) =>
        `complete -c nsm -n ${condition('__nsm_under', path)} -l ${long.slice(2)} -d ${quote(description)}` +
        (values ? ` -r${offer(values)}` : ''),
    ),
    ...(first && first.kind !== 'none' ? [`${at}${offer(first)}`] : []),
    ...further.flatMap((values, index) =>
      values.kind === 'none'
        ? []
        : [`complete -c nsm -n ${condition(`__nsm_further ${index + 1}`, path)}${offer(values)}`],
    ),
    ...Object.entries(after).map(
      ([word, value]) => `complete -c nsm -n ${condition('__nsm_at', `${path} ${word}`)}${offer(value)}`,
    ),
  ];
}

function condition(check: string, path: string): string {
  return quote(`${check} ${path}`.trim());
}

function offer(values: Values): string {
  switch (values.kind) {
    case 'words':
      return ` -f -a ${quote(values.words.join(' '))}`;
    case 'names':
      return ` -f -a ${quote(`(nsm __names ${values.names} 2>/dev/null)`)}`;
    case 'files':
      return ' -F';
    case 'folders':
      return ` -f -a ${quote('(__fish_complete_directories)')}`;
    case 'namespaces':
      return ` -f -a ${quote('(ls /run/netns 2>/dev/null)')}`;
    case 'none':
      return ' -f';
  }
}
