// What people and programs get to read.
import { describe, expect, it } from 'vitest';
import { alignTable, Output } from './output.js';
import { ageText } from './view-texts.js';

function sink(isTTY: boolean) {
  let text = '';
  return {
    isTTY,
    write: (more: string) => {
      text += more;
    },
    get text() {
      return text;
    },
  };
}

describe('Output', () => {
  it('aligns columns by what is seen, and ends lines without blanks', () => {
    expect(
      alignTable([
        ['A', 'LONG NAME', 'C'],
        ['\x1b[32mlonger\x1b[39m', 'x', ''],
      ]),
    ).toEqual(['A       LONG NAME  C', '\x1b[32mlonger\x1b[39m  x']);
  });

  it('says so when a table is empty', () => {
    const out = sink(false);
    new Output(false, out).table(['A'], [], 'no connections');
    expect(out.text).toBe('no connections\n');
  });

  it('leaves out what there is nothing to say of', () => {
    const out = sink(false);
    new Output(false, out).list([
      ['address', '10.0.0.1/31'],
      ['dns', ''],
      ['tunnel', undefined],
    ]);
    expect(out.text).toBe('address  10.0.0.1/31\n');
  });

  it('prints JSON on one line for programs, indented for people', () => {
    const pipe = sink(false);
    const terminal = sink(true);
    new Output(true, pipe).value({ a: [1] });
    new Output(true, terminal).value({ a: [1] });
    expect(pipe.text).toBe('{"a":[1]}\n');
    expect(terminal.text).toBe('{\n  "a": [\n    1\n  ]\n}\n');
  });

  it('has no colours in a pipe', () => {
    expect(new Output(false, sink(false)).state('UP')).toBe('UP');
  });
});

describe('ageText', () => {
  it.each([
    [0, '0s'],
    [59, '59s'],
    [61, '1m1s'],
    [3600, '1h'],
    [90_061, '1d1h'],
    [-5, '0s'],
  ])('%d seconds are %s', (seconds, text) => {
    const now = Date.parse('2026-01-02T00:00:00Z');
    expect(ageText(new Date(now - seconds * 1000).toISOString(), now)).toBe(text);
  });
});
