// How the files of the bundle are loaded: each once, and whatever stands beside them as V8's code.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const { load } = createRequire(import.meta.url)('../bin/load.js') as { load(file: string): unknown };
const folder = mkdtempSync(join(tmpdir(), 'nsm-load-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

it('loads a file once, with the others beside it and what Node.js has', () => {
  write('other.js', 'exports.times = (exports.times ?? 0) + 1; exports.main = require("./main.js");');
  const main = write(
    'main.js',
    'exports.other = require("./other.js"); exports.join = require("node:path").join;',
  );
  const loaded = load(main);
  expect(loaded).toEqual({ other: { times: 1, main: loaded }, join });
  expect(load(main)).toBe(loaded);
});

it("does without code that V8 refuses, such as another version's", () => {
  const file = write('refused.js', 'exports.name = __filename;');
  write('refused.js.code', 'not code');
  expect(load(file)).toEqual({ name: file });
});
