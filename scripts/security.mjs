// npm run security: everything that is tried against a mesh, with the floods and the fuzz that npm test leaves out. Arguments are
// vitest's, such as a part of a file name or -t NAME.
const args = process.argv.slice(2);
process.env.SECURITY = 'thorough';
process.argv = [
  ...process.argv.slice(0, 2),
  ...(args.some((word) => !word.startsWith('-')) ? [] : ['test/dist/security/', 'policy/policy-source']),
  ...args,
];
await import('./test.mjs');
