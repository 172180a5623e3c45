// What the environment says of output.

/** True unless NO_COLOR is set (no-color.org) or the terminal is a dumb one. */
export const colourAllowed: boolean = !process.env.NO_COLOR && process.env.TERM !== 'dumb';
