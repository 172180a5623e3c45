// Loads the files of the bundle: CommonJS modules, each with the code that V8 made of it when it was built (scripts/bundle.mjs).
// Another version of Node.js refuses that code and makes its own, which takes longer. Node.js 20 does not remember it by itself.
// Whether code belongs to a text V8 tells by the text's length: whoever edits a file of the bundle removes the .code beside it.
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script, constants } = require('node:vm');

const modules = new Map();
/** Every script that was loaded, by its file: what the build takes the code of. */
exports.scripts = new Map();

/** Loads a file of the bundle once and returns what it exports. */
exports.load = function load(file) {
  const known = modules.get(file);
  if (known) return known.exports;
  const module = { exports: {} };
  modules.set(file, module);
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`,
    {
      filename: file,
      cachedData: codeOf(file),
      importModuleDynamically: constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    },
  );
  exports.scripts.set(file, script);
  const folder = dirname(file);
  const others = createRequire(file);
  const require = (name) => (name.startsWith('./') ? load(join(folder, name)) : others(name));
  script.runInThisContext().call(module.exports, module.exports, require, module, file, folder);
  return module.exports;
};

function codeOf(file) {
  try {
    return readFileSync(`${file}.code`);
  } catch {
    return undefined;
  }
}
