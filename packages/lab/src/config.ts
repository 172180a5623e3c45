// The only reader of the environment.

export interface LabConfig {
  /** Set in the process that runs inside the lab's own user namespace. */
  readonly insideUserNamespace: boolean;
  /** Where an ordinary user's labs are written down. */
  readonly userFolder: string;
  /** How this user calls nsm: a clone has it in node_modules only. */
  readonly nsm: string;
  /** Handed on to the processes of a lab. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Name of the variable that marks the process inside. */
export const insideVariable = 'NSM_LAB_INSIDE';

// Every flag of nsm is a variable too: one that was meant for this command must not reach a manager.
const wanted: ReadonlySet<string> = new Set(['NSM_LOG_LEVEL', 'NSM_DEBUG']);

/** An ordinary user's labs are written down in XDG_RUNTIME_DIR, or in /tmp. */
export function readConfig(): LabConfig {
  const { env } = process;
  const uid = process.getuid?.() ?? 0;
  return {
    insideUserNamespace: env[insideVariable] === '1',
    userFolder: env.XDG_RUNTIME_DIR ? `${env.XDG_RUNTIME_DIR}/nsm/lab` : `/tmp/nsm-${uid}/lab`,
    nsm: env.npm_lifecycle_event === undefined ? 'nsm' : 'npx nsm',
    environment: Object.fromEntries(
      Object.entries(env).filter(([name]) => !name.startsWith('NSM_') || wanted.has(name)),
    ),
  };
}
