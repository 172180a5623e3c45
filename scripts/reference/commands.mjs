// docs/reference/commands.md: every command with its arguments and flags, as `nsm COMMAND --help` has them.
import { variableOf } from '../../packages/cli/dist/index.js';
import { anchorOf, cell, code, page, prose, table } from './markdown.mjs';

/** The page, by its name. */
export function commandPages(program) {
  const groups = new Map();
  for (const command of visible(program)) {
    const group = command.helpGroup().replace(/:$/, '');
    groups.set(group, [...(groups.get(group) ?? []), ...withChildren(command)]);
  }
  const contents = [...groups].map(([group, commands]) =>
    [`- ${group}`, ...commands.map(contentsLine)].join('\n'),
  );
  const sections = [...groups].map(([group, commands]) =>
    page(`## ${group}`, ...commands.map(section)).trimEnd(),
  );
  const text = page(
    '# Commands',
    'Every flag is also an environment variable; what stands on the command line counts. Flags that may be repeated take several ' +
      'values separated by commas. `--json`, before or after the command, prints JSON. A failure is then JSON too, on stderr.',
    contents.join('\n'),
    ...sections,
  );
  return [['commands.md', text]];
}

/** Every command that people see, those below others included, with its path: `lab up`. */
export function everyCommand(program) {
  return visible(program).flatMap((command) => withChildren(command));
}

/** Flags of a command that are shown, but for --help, which all have, and those that only undo others. */
export function flagsOf(command) {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long, negate }) => long !== '--help' && !negate);
}

function visible(program) {
  return program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== 'help');
}

function withChildren(command, path = 'nsm') {
  const own = { path: `${path} ${command.name()}`, command };
  return [own, ...visible(command).flatMap((child) => withChildren(child, own.path))];
}

function contentsLine({ path, command }) {
  const indent = '  '.repeat(path.split(' ').length - 1);
  return `${indent}- [\`${path}\`](#${anchorOf(path)}): ${cell(command.createHelp().subcommandDescription(command))}`;
}

function section({ path, command }) {
  const takes = command.registeredArguments.filter(
    ({ description, argChoices }) => description || argChoices,
  );
  const usage = [path, command.usage().replace('[command]', 'COMMAND')].join(' ');
  return page(
    `### ${path}`,
    prose(command.description() || command.summary()),
    command.commands.length > 0 ? '' : `\`\`\`text\n${usage.replace(/\n\s+/g, '\n')}\n\`\`\``,
    table(
      ['argument', 'what'],
      takes.map((argument) => [code(argument.name()), describe(argument.description, argument.argChoices)]),
    ),
    table(['flag', 'default', 'what', 'variable'], flagsOf(command).map(flagRow)),
    examplesOf(command),
  ).trimEnd();
}

/** What the help of a command shows behind its flags. */
function examplesOf(command) {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  const [, lines = ''] = /\nExamples:\n((?: {2}.*\n?)+)/.exec(help) ?? [];
  return lines === '' ? '' : `\`\`\`sh\n${lines.replace(/^ {2}/gm, '').trimEnd()}\n\`\`\``;
}

function flagRow(option) {
  const [, what, absent] = /^(.*) \(default: ([^()]*)\)$/.exec(option.description) ?? [];
  return [
    code(option.flags),
    absent ? cell(absent) : byDefault(option),
    describe(what ?? option.description, option.argChoices),
    code(variableOf(option)),
  ];
}

function describe(description, choices) {
  const oneOf = choices ? `one of ${choices.map(code).join(', ')}` : '';
  return [cell(description), oneOf].filter((part) => part !== '').join('; ');
}

function byDefault(option) {
  const value = option.defaultValueDescription ?? option.defaultValue;
  if (value === undefined || (Array.isArray(value) && value.length === 0) || option.isBoolean()) return '';
  return option.defaultValueDescription ? cell(value) : code(String(value));
}
