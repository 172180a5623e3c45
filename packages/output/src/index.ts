// Everything that commands print with.
export { type LineSink, Output, orDash, type Style } from './output.js';
export { printable, printableLines } from './printable.js';
