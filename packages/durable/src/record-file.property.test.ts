// Whatever is written, and wherever a crash cuts it off: the file has the first so many of the changes, and all that were acknowledged.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot, thorough } from '@nsm/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { framesIn } from './frames.js';
import { type Change, type Codec, RecordFile } from './record-file.js';

const codec: Codec<string> = {
  schema: 1,
  encode: (record) => Buffer.from(record),
  decode: (bytes) => Buffer.from(bytes).toString(),
};
type Contents = ReadonlyMap<string, string>;

const key = fc.constantFrom('a', 'b', 'c', 'd', 'é'.repeat(100));
const change = (largest: number): fc.Arbitrary<Change<string>> =>
  fc.tuple(
    key,
    fc.option(
      fc.nat(largest).map((size) => `${size}`.padEnd(size, '.')),
      { nil: undefined },
    ),
  );
const writes = (largest: number, most: number): fc.Arbitrary<Change<string>[][]> =>
  fc.array(fc.array(change(largest), { maxLength: 4 }), { maxLength: most });

function changed(before: Contents, changes: Iterable<Change<string>>): Contents {
  const after = new Map(before);
  for (const [key, record] of changes) {
    if (record === undefined) after.delete(key);
    else after.set(key, record);
  }
  return after;
}
const sorted = (contents: Contents): unknown => [...contents].toSorted(([a], [b]) => (a < b ? -1 : 1));

describe('RecordFile', () => {
  let folder: string;
  let path: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-records-'));
    path = join(folder, 'records');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function read(bytes: Uint8Array): Promise<{ contents: Contents; doubtful: boolean }> {
    writeFileSync(path, bytes);
    const file = new RecordFile(path, codec);
    await file.close();
    return { contents: new Map(file.entries()), doubtful: file.doubtful };
  }

  it('has the first so many changes of a file that ends at any byte', async () => {
    await fc.assert(
      fc.asyncProperty(writes(40, 12), fc.infiniteStream(fc.nat()), async (all, numbers) => {
        rmSync(path, { force: true });
        const file = new RecordFile(path, codec);
        let now: Contents = new Map();
        for (const changes of all) {
          await file.write(changes);
          now = changed(now, changes);
          // It is acknowledged: the kernel has it.
          const bytes = readFileSync(path);
          expect(sorted(new Map(framedContents(bytes)))).toEqual(sorted(now));
        }
        await file.close();
        const whole = readFileSync(path);
        const { frames, end } = framesIn(whole);
        for (const number of numbers) {
          const at = number % (end + 1);
          // Behind it is what was there before: zeros, or nothing.
          const cut =
            number % 2
              ? whole.subarray(0, at)
              : Buffer.concat([whole.subarray(0, at), Buffer.alloc(end - at)]);
          const before = frames.filter(({ offset, size }) => offset + size <= at);
          const { contents, doubtful } = await read(cut);
          expect(sorted(contents)).toEqual(sorted(new Map(contentsOf(before))));
          if (before.reduce((sum, { size }) => sum + size, 0) === at) expect(doubtful).toBe(false);
          if (number % 5 === 0) break;
        }
      }),
      { numRuns: thorough ? 60 : 20 },
    );
  });

  it('is the same before and after it is written anew, whatever is left of an unfinished one', async () => {
    await fc.assert(
      fc.asyncProperty(writes(60_000, 80), fc.nat(100_000), async (all, unfinished) => {
        rmSync(path, { force: true });
        writeFileSync(`${path}.new`, Buffer.alloc(unfinished, 'NSM2'));
        const file = new RecordFile(path, codec);
        await Promise.all(all.map((changes) => file.write(changes)));
        for (const changes of all) await file.write(changes);
        await file.close();
        const bytes = readFileSync(path);
        expect(bytes.length).toBeLessThan(3 << 20);
        const { contents, doubtful } = await read(bytes);
        expect(sorted(contents)).toEqual(sorted(all.concat(all).reduce(changed, new Map())));
        expect(doubtful).toBe(false);
      }),
      { numRuns: thorough ? 15 : 5 },
    );
  });

  it('has what was acknowledged when its process is killed, also while it is written anew', async () => {
    const program = `
      import { writeSync } from 'node:fs';
      import { RecordFile } from ${JSON.stringify(new URL('./record-file.js', import.meta.url).href)};
      const codec = { schema: 1, encode: (text) => Buffer.from(text), decode: (bytes) => Buffer.from(bytes).toString() };
      const file = new RecordFile(process.argv[1], codec, { outlivesMachine: true });
      for (let n = Number(process.argv[2]); ; n++) {
        const record = String(n).padEnd(20_000);
        file.write([['key ' + n % 50, record], ['short', record], ['short', undefined]]).then(() => writeSync(1, n + ' '));
        if (n % 20 === 0) await new Promise((done) => setTimeout(done, 2));
      }`;
    rmSync(path, { force: true });
    let next = 0;
    for (const written of [1, 300, 300]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, path, String(next)]);
      const ended = once(child, 'close');
      let acknowledged = next - 1;
      for await (const text of child.stdout.setEncoding('utf8')) {
        acknowledged = Math.max(acknowledged, ...text.split(' ').slice(0, -1).map(Number));
        if (acknowledged >= next + written) child.kill('SIGKILL');
      }
      await ended;
      const { contents, doubtful } = await read(readFileSync(path));
      const numbers = [...contents].filter(([key]) => key !== 'short').map(([, record]) => Number(record));
      const newest = Math.max(...numbers);
      expect(newest).toBeGreaterThanOrEqual(acknowledged);
      // All of those before it, and the newest of each.
      expect(numbers.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: Math.min(50, newest + 1) }, (_, n) => Math.max(0, newest - 49) + n),
      );
      expect([undefined, newest]).toContain(
        contents.has('short') ? Number(contents.get('short')) : undefined,
      );
      expect(doubtful).toBe(false);
      next = newest + 1;
    }
  });

  describe.runIf(requireRoot('a full disk'))('on a disk that is full now and then', () => {
    let disk: string;
    beforeAll(() => {
      disk = mkdtempSync(join(tmpdir(), 'nsm-records-'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'nsm-records', disk]);
    });
    afterAll(() => {
      execFileSync('umount', [disk]);
      rmSync(disk, { recursive: true });
    });

    it('has what was acknowledged and nothing else, and takes every end', async () => {
      await fc.assert(
        fc.asyncProperty(writes(60_000, 40), fc.nat(220_000), async (all, ballast) => {
          const full = join(disk, 'records');
          rmSync(full, { force: true });
          writeFileSync(join(disk, 'ballast'), Buffer.alloc(ballast));
          let now: Contents = new Map();
          const file = new RecordFile(full, codec);
          for (const changes of all) {
            const outcome = await file.write(changes).then(
              () => '',
              ({ code }: { code: string }) => code,
            );
            if (outcome === '') now = changed(now, changes);
            else expect(outcome).toBe('NSM0403');
            if (changes.every(([, record]) => record === undefined)) expect(outcome).toBe('');
          }
          expect(sorted(new Map(file.entries()))).toEqual(sorted(now));
          await file.close();
          const again = new RecordFile(full, codec);
          expect(sorted(new Map(again.entries()))).toEqual(sorted(now));
          expect(again.doubtful).toBe(false);
          for (const key of now.keys()) await again.write([[key, undefined]]);
          await again.close();
        }),
        { numRuns: thorough ? 40 : 15 },
      );
    });
  });
});

function* contentsOf(frames: ReturnType<typeof framesIn>['frames']): Generator<[string, string]> {
  const contents = new Map<string, string>();
  for (const { change } of frames) {
    if (change.value) contents.set(change.key, codec.decode(change.value, change.schema));
    else contents.delete(change.key);
  }
  yield* contents;
}
const framedContents = (bytes: Buffer) => contentsOf(framesIn(bytes).frames);
