// Reads all of an LMDB file and writes to it, and ends with status 0: a process of its own, because LMDB trusts what it reads, and a
// damaged file ends the process.
import { writeSync } from 'node:fs';
import { argv } from 'node:process';
import { open } from 'lmdb';
import { begun } from './lmdb-check-begun.js';

const [, , path = ''] = argv;
// From here on the end of this process is the file's doing; before, it may lack threads or memory.
writeSync(1, begun);
const database = open<Uint8Array, string>({ path, noSubdir: true, encoding: 'binary' });
const keys = [...database.getKeys()];
for (const key of keys) database.get(key);
// Pages that are free are read when something is written.
void database
  .batch(() => {
    for (const key of keys) void database.remove(key);
  })
  .then(() => database.close());
