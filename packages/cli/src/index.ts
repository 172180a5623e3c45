// The nsm command.
export { run } from './main.js';
export { buildProgram } from './program.js';
