// Before each test file. Node.js 20 takes the last file that was looked at for part of the path that it resolves: after a socket or a
// FIFO (lib/fs.js, realpathSync) a package of the workspace is loaded once more, by the path of its symbolic link, and `instanceof` fails.
import { statSync } from 'node:fs';

statSync('/');
