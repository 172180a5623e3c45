// How the files of the bundle are loaded: each once, and whatever stands beside them as V8's code.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { afterAll, expect, it } from 'vitest';

const { keptCode, load, scripts } = createRequire(import.meta.url)('../bin/load.js') as {
  keptCode(code: Buffer, text: Buffer): Buffer;
  load(file: string): unknown;
  readonly scripts: ReadonlyMap<string, Script>;
};
const folder = mkdtempSync(join(tmpdir(), 'nsm-load-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

it('the loader loads a file once, with the others beside it and what Node.js has', () => {
  write('other.js', 'exports.times = (exports.times ?? 0) + 1; exports.main = require("./main.js");');
  const main = write(
    'main.js',
    'exports.other = require("./other.js"); exports.join = require("node:path").join;',
  );
  const loaded = load(main);
  expect(loaded).toEqual({ other: { times: 1, main: loaded }, join });
  expect(load(main)).toBe(loaded);
});

it('the loader does without kept code that is damaged anywhere, or of another text', () => {
  const file = write('damaged.js', 'exports.answer = () => 42;');
  const text = readFileSync(file);
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${text}\n})`;
  const kept = keptCode(new Script(wrapped, { filename: file }).createCachedData(), text);
  const spoiled = [kept.subarray(0, 100), kept.subarray(1), Buffer.alloc(0)];
  for (let at = 0; at < kept.length; at += 7) {
    const flipped = Buffer.from(kept);
    flipped[at]! ^= 0x5a;
    spoiled.push(flipped);
  }
  spoiled.forEach((code, index) => {
    const copy = write(`damaged-${index}.js`, String(text));
    writeFileSync(`${copy}.code`, code);
    expect((load(copy) as { answer(): number }).answer()).toBe(42);
    expect(scripts.get(copy)?.cachedDataRejected).toBeUndefined();
  });
  const other = write('other-text.js', 'exports.answer = () => 43;');
  writeFileSync(`${other}.code`, kept);
  expect((load(other) as { answer(): number }).answer()).toBe(43);
  write('whole.js', String(text));
  writeFileSync(join(folder, 'whole.js.code'), kept);
  load(join(folder, 'whole.js'));
  expect(scripts.get(join(folder, 'whole.js'))?.cachedDataRejected).toBe(false);
});

it("does without code that V8 refuses, such as another version's", () => {
  const file = write('refused.js', 'exports.name = __filename;');
  write('refused.js.code', 'not code');
  expect(load(file)).toEqual({ name: file });
});
