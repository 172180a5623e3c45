// How `nsm` is run by a lab, unless it is told.
import { fileURLToPath } from 'node:url';

export function defaultCommand(): readonly string[] {
  // The packages of one installation stand side by side, in the workspace as in node_modules.
  return [process.execPath, fileURLToPath(new URL('../../cli/bin/nsm.js', import.meta.url))];
}
