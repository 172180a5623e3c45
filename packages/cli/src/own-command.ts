// Commands that another command tells people to type.
import { defaultRunDir } from './flags/common-flags.js';

/** With the run folder where that is not the usual one; texts that are no command of `nsm` stay. */
export function ownCommand(command: string, runDir: string): string {
  return command.startsWith('nsm ') && runDir !== defaultRunDir ? `${command} --run-dir ${runDir}` : command;
}
