// What the benchmark takes from its environment.

/** Folders of programs, separated by colons. */
export const searchPath: string = process.env.PATH ?? '';
