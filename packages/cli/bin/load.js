// Loads the files of the bundle: CommonJS modules, each with the code that V8 made of it when it was built (scripts/bundle.mjs).
// Another version of Node.js refuses that code and makes its own, which takes longer. Node.js 20 does not remember it by itself.
// V8 trusts that code is what it made of the text: damaged code, or another text's, ends the process. So both have a checksum behind it.
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { setFlagsFromString } = require('node:v8');
const { Script, constants } = require('node:vm');
const { crc32 } = require('node:zlib');

/**
 * Has V8 optimize nothing, or all that it finds worth it, as it does by itself. Hardly anything of a start is done often, and the compiler
 * takes megabytes for good. Kept code is taken only by the flags it was made by: without the optimizer.
 */
exports.optimize = (wanted) => setFlagsFromString(wanted ? '--opt' : '--no-opt');

const modules = new Map();
/** Every script that was loaded, by its file: what the build takes the code of. */
exports.scripts = new Map();

/** Loads a file of the bundle once and returns what it exports. */
exports.load = function load(file) {
  const known = modules.get(file);
  if (known) return known.exports;
  const module = { exports: {} };
  modules.set(file, module);
  const text = readFileSync(file);
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${text}\n})`, {
    filename: file,
    cachedData: codeOf(file, text),
    importModuleDynamically: constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  exports.scripts.set(file, script);
  const folder = dirname(file);
  const others = createRequire(file);
  const require = (name) => (name.startsWith('./') ? load(join(folder, name)) : others(name));
  script.runInThisContext().call(module.exports, module.exports, require, module, file, folder);
  return module.exports;
};

/** Code that V8 made of a text, as it is kept. */
exports.keptCode = (code, text) => Buffer.concat([code, checksums(code, text)]);

/** Undefined where there is none that is whole and of this text. */
function codeOf(file, text) {
  try {
    const kept = readFileSync(`${file}.code`);
    const code = kept.subarray(0, -checksumBytes);
    return checksums(code, text).equals(kept.subarray(code.length)) ? code : undefined;
  } catch {
    return undefined;
  }
}

const checksumBytes = 8;

function checksums(code, text) {
  const sums = Buffer.alloc(checksumBytes);
  sums.writeUInt32LE(crc32(code), 0);
  sums.writeUInt32LE(crc32(text), 4);
  return sums;
}
