// What the environment says of output.

/** No colours where NO_COLOR has a value (no-color.org), or TERM is `dumb`. */
export const colourAllowed: boolean = !process.env.NO_COLOR && process.env.TERM !== 'dumb';

/**
 * False where the locale names another character set than UTF-8 (locale(7): the first of these that has a value counts). Containers and
 * services mostly have no locale at all, and are read by terminals that know UTF-8.
 */
export const knowsUnicode: boolean = /^$|utf-?8/i.test(
  process.env.LC_ALL || process.env.LC_CTYPE || process.env.LANG || '',
);
