// What the environment says of output.

/** No colours where NO_COLOR has a value (no-color.org), or TERM is `dumb`. */
export const colourAllowed: boolean = !process.env.NO_COLOR && process.env.TERM !== 'dumb';
