// Writes down the code that V8 makes of a bundle, beside each of its files: node scripts/bundle-code.cjs FOLDER FILE…. All FILEs are
// loaded and a command is run, so that the functions of a start are among it.
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { keptCode, load, optimize, scripts } = require('../packages/cli/bin/load.js');

const [folder, ...files] = process.argv.slice(2);
process.on('exit', () => {
  for (const [file, script] of scripts)
    writeFileSync(`${file}.code`, keptCode(script.createCachedData(), readFileSync(file)));
});
optimize(false);
for (const file of files) load(join(folder, file));
load(join(folder, 'main.js')).run(['get', 'services', '--run-dir', join(folder, 'nowhere')]);
