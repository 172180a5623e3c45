// eBPF maps, and programs tried out, on the real kernel. Loading objects is tested where there is one, in the forwarder.
import { leaks } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import * as libc from '../libc/libc.js';
import { bpf } from '../libc/libc-syscalls.js';
import { BpfMap } from './bpf-map.js';
import { BpfObject, describeProgram, testRun } from './bpf-object.js';
import { loadProgram } from './small-program.test.support.js';

afterAll(() => expect(leaks()).toEqual([]));

/** BPF_MAP_CREATE: type, key size, value size, entries, flags; the name at 28. */
const createMap = (type: number, keySize: number, valueSize: number): number => {
  const attributes = Buffer.alloc(72);
  [type, keySize, valueSize, 8].forEach((value, n) => {
    attributes.writeUInt32LE(value, 4 * n);
  });
  attributes.write('test_map', 28);
  return bpf(0, attributes);
};

const tried = createMap(1, 4, 8);
if (tried >= 0) libc.close(tried);
else process.stderr.write(`SKIPPED eBPF: ${libc.errorText(-tried)}\n`);

describe.skipIf(tried < 0)('eBPF', () => {
  const key = (value: number): Buffer => Buffer.from([value, 0, 0, 0]);

  it('reads, writes, lists and deletes entries of a map', () => {
    using map = new BpfMap(createMap(1, 4, 8));
    expect(map).toMatchObject({ name: 'test_map', keySize: 4, valueSize: 8, size: 8, perCpu: false });
    expect(map.lookup(key(1))).toBeUndefined();
    expect(map.keys()).toEqual([]);
    map.update(key(1), Buffer.from('12345678'));
    map.update(key(2), Buffer.from('abcdefgh'), 'create');
    expect(() => map.update(key(2), Buffer.alloc(8), 'create')).toThrow('EEXIST: write to eBPF map test_map');
    expect(() => map.update(key(3), Buffer.alloc(8), 'change')).toThrow('ENOENT');
    expect(map.lookup(key(1))?.toString()).toBe('12345678');
    expect(map.keys().map((bytes) => bytes[0])).toEqual(expect.arrayContaining([1, 2]));
    expect(map.delete(key(1))).toBe(true);
    expect(map.delete(key(1))).toBe(false);
    // The kernel would read and write beyond what was given.
    expect(() => map.lookup(Buffer.alloc(3))).toThrow(RangeError);
    expect(() => map.update(key(1), Buffer.alloc(7))).toThrow(RangeError);
    for (let n = 10; n < 17; n++) map.update(key(n), Buffer.alloc(8));
    expect(() => map.update(key(17), Buffer.alloc(8))).toThrow(
      'E2BIG: write to eBPF map test_map of 8 entries',
    );
    map.close();
    expect(() => map.lookup(key(1))).toThrow('EBADF');
  });

  it('has one value for each CPU where there are several', () => {
    using map = new BpfMap(createMap(5, 4, 12));
    expect(map).toMatchObject({ perCpu: true, valueSize: 12, stride: 16 });
    map.update(key(1), Buffer.from('abcdefghijkl'));
    const values = map.lookup(key(1))!;
    expect(values.length % 16).toBe(0);
    for (let at = 0; at < values.length; at += 16)
      expect(values.toString('latin1', at, at + 12)).toBe('abcdefghijkl');
  });

  it('describes programs and tries them out', () => {
    const program = loadProgram(2);
    expect(describeProgram(program)).toMatchObject({
      id: expect.any(Number),
      tag: expect.stringMatching(/^[0-9a-f]{16}$/),
      mapIds: [],
    });
    const frame = Buffer.alloc(64, 7);
    expect(testRun(program, frame)).toEqual({ verdict: 2, packet: frame });
    libc.close(program);
    expect(() => testRun(program, frame)).toThrow('EBADF');
  });

  it('says why an object cannot be loaded', () => {
    expect(() => BpfObject.load('/nowhere.bpf.o')).toThrow(/ENOENT: open eBPF object|libbpf/);
  });
});
