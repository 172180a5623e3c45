// npm start: sets a clone up, brings the example lab up and shows it as a page. Arguments are those of `nsm lab up`, such as --once or --json.
import { join } from 'node:path';
import { root, setup } from './setup.mjs';

await setup('start');

// In this process, so that Ctrl-C and the exit status are those of nsm itself.
const nsm = join(root, 'packages/cli/bin/nsm.js');
process.argv = [
  process.execPath,
  nsm,
  'lab',
  'up',
  join(root, 'examples/two-nodes.yaml'),
  '--dashboard',
  ...process.argv.slice(2),
];
await import(nsm);
