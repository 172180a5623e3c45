// The nsm command.
export { variableOf } from './flags/flags.js';
export { run } from './main.js';
export { buildProgram } from './program.js';
