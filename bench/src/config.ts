// What the benchmark takes from its environment.

/** Folders of programs, separated by colons. */
export const searchPath: string = process.env.PATH ?? '';

/** Kubeconfig files of the cluster that may be measured, separated by colons. */
export const kubeconfig: string | undefined = process.env.KUBECONFIG || undefined;
