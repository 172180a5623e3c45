// The kind of thing that a command is about, as people write it: in singular or plural, and what they meant where it is none.
import { closestName } from '@nsm/yaml-file/closest-name';
import { Argument, InvalidArgumentError } from 'commander';

/** `<what>`, one of `kinds`, all of which are in singular or all in plural. */
export function kindArgument(kinds: readonly string[], description: string): Argument {
  const argument = new Argument('<what>', description).choices(kinds);
  return argument.argParser((text: string) => {
    const kind = kinds.find((one) => one === text || one === `${text}s` || `${one}s` === text);
    if (kind !== undefined) return kind;
    const meant = closestName(text, kinds);
    throw new InvalidArgumentError(
      `Allowed choices are ${kinds.join(', ')}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
    );
  });
}
