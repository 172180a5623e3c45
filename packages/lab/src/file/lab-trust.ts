// What a lab file may ask for only when the user trusts whoever wrote it: programs get its variables and flags, often as root.
import type { LabFile, Options } from './lab-types.js';

/** Flags whose value is a file or folder outside the lab: to be read, written or made by the lab's processes. */
const namesFile = /(?:^|-)(?:dir|file|socket|log|cert|key|ca|policy)$/;

/**
 * Every place in a lab file that reaches beyond the lab: variables other than NSM_* (LD_PRELOAD, NODE_OPTIONS and PATH run
 * whatever they name), and flags that name files of this machine. Empty for a file that is harmless.
 */
export function needsTrust(lab: LabFile): readonly string[] {
  const programs = [
    ...Object.entries(lab.nodes).map(([name, node]) => [`nodes.${name}`, node] as const),
    ...lab.endpoints.map((endpoint, index) => [`endpoints[${index}]`, endpoint] as const),
    ...lab.clients.map((client, index) => [`clients[${index}]`, client] as const),
  ];
  return programs.flatMap(([place, { environment, options }]) => [
    ...Object.entries(environment)
      .filter(([name, value]) => !name.startsWith('NSM_') || reachesOut(flagOf(name), value))
      .map(([name]) => `${place}.environment.${name}`),
    ...Object.entries(options)
      .filter(([name, value]) => [value].flat().some((each) => reachesOut(name, each)))
      .map(([name]) => `${place}.options.${name}`),
  ]);
}

/** A path, or the value of a flag that takes one. */
function reachesOut(flag: string, value: Options[string]): boolean {
  return namesFile.test(flag) || /^\/|(?:^|\/)\.\.(?:\/|$)/.test(String(value));
}

/** `run-dir` for NSM_RUN_DIR. */
function flagOf(variable: string): string {
  return variable.slice('NSM_'.length).toLowerCase().replaceAll('_', '-');
}
