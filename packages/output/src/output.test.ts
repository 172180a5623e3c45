// What people and programs get to read.
import { describe, expect, it } from 'vitest';
import { type LineSink, Output } from './output.js';
import { printable, printableLines } from './printable.js';

function sink(isTTY: boolean, columns = 80): LineSink & { readonly text: string } {
  let text = '';
  return {
    isTTY,
    columns,
    write: (more: string) => {
      text += more;
    },
    get text() {
      return text;
    },
  };
}

/** Runs something with the output of a terminal or a pipe, and returns what came of it. */
function printed(isTTY: boolean, run: (output: Output) => void): string {
  const out = sink(isTTY);
  run(new Output(false, out));
  return out.text;
}

describe('Output', () => {
  it('aligns columns by what is seen, and ends lines without blanks', () => {
    const text = printed(true, (output) =>
      output.table(
        ['A', 'LONG NAME', 'C'],
        [
          [output.paint('green', 'longer'), 'x', ''],
          ['\x1b[8m', 'y', 'z'],
        ],
        '',
      ),
    );
    expect(text).toBe(
      '\x1b[2mA\x1b[22m          \x1b[2mLONG NAME\x1b[22m  \x1b[2mC\x1b[22m\n' +
        '\x1b[32mlonger\x1b[39m     x\n\\u001b[8m  y          z\n',
    );
  });

  it('names interface types to people as they write them, and to programs as the specification does', () => {
    const text = 'HW_INTERFACE of MY_HW_INTERFACE';
    const table = printed(true, (output) =>
      output.table(
        [],
        [
          ['KERNEL_INTERFACE', 'x'],
          ['-', text],
        ],
        '',
      ),
    );
    expect(table).toBe('\nkernel  x\n-       hw of MY_HW_INTERFACE\n');
    const out = sink(false);
    new Output(true, out).value({ text });
    expect(JSON.parse(out.text)).toEqual({ text });
  });

  it('says so when a table is empty', () => {
    expect(printed(false, (output) => output.table(['A'], [], 'no connections'))).toBe('no connections\n');
  });

  it('leaves out what there is nothing to say of', () => {
    const entries = [
      ['address', '10.0.0.1/31'],
      ['dns', ''],
      ['tunnel', undefined],
    ] as const;
    expect(printed(false, (output) => output.list(entries))).toBe('address  10.0.0.1/31\n');
  });

  it('prints JSON on one line for programs, indented for people', () => {
    expect(printed(false, (output) => output.value({ a: [1] }))).toBe('{"a":[1]}\n');
    expect(printed(true, (output) => output.value({ a: [1] }))).toBe('{\n  "a": [\n    1\n  ]\n}\n');
  });

  it('has no colours in a pipe', () => {
    expect(printed(false, (output) => output.line(output.state('UP')))).toBe('UP\n');
  });

  it('lets the next line take the place of a draft, and drafts nothing in a pipe', () => {
    const both = (output: Output): void => {
      output.draft('half');
      output.line('whole');
    };
    expect(printed(true, both)).toBe('half\r\x1b[2Kwhole\n');
    expect(printed(false, both)).toBe('whole\n');
  });
});

/** One of each kind of character that a terminal would obey, hide or reorder. */
const evil = [
  '\x1b]0;title\x07', // an order to the terminal
  '\x9b2J', // the same in one character of C1
  '\r', // writes over the line
  '\x7f',
  '\u202e', // what follows runs from right to left
  '\u2066',
  '\u200b', // takes no room
  '\u00ad',
  '\ufeff',
  '\u2028',
  '\ud800', // half a character
  '\ue000', // of private meaning
  '\u{e0041}', // a tag, which is not seen
];

describe('an item', () => {
  const text = 'one two three four five six seven eight nine ten';
  const item = (isTTY: boolean, columns: number): string => {
    const out = sink(isTTY, columns);
    new Output(false, out).item('  lead  ', text);
    return out.text;
  };

  it('goes on below its beginning where the terminal ends', () => {
    expect(item(true, 40)).toBe('  lead  one two three four five six\n        seven eight nine ten\n');
  });

  it('is one line in a pipe, and on a terminal that has no room', () => {
    for (const one of [item(false, 40), item(true, 18)]) expect(one).toBe(`  lead  ${text}\n`);
  });
});

describe('a wide table', () => {
  const shown = (isTTY: boolean, columns: number): string => {
    const out = sink(isTTY, columns);
    const rows = [
      ['first', 'one', '2'],
      ['second', 'three', '4'],
    ];
    new Output(false, out).wideTable(['NAME', 'A LONG TITLE', 'B'], rows, 'nothing');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: styles, which are not looked at here
    return out.text.replace(/\x1b\[\d+m/g, '');
  };

  it('is a table where there is room, and wherever there is no terminal', () => {
    const table = 'NAME    A LONG TITLE  B\nfirst   one           2\nsecond  three         4\n';
    expect([shown(true, 23), shown(false, 10)]).toEqual([table, table]);
  });

  it('has lines for each row where there is not', () => {
    expect(shown(true, 22)).toBe(
      'first\n  a long title one  b 2\nsecond\n  a long title three\n  b 4\n'.replace(
        'one  b 2',
        'one\n  b 2',
      ),
    );
  });
});

it('a table leaves out on a narrow terminal what can be done without, as little as is enough', () => {
  const shown = (columns: number): string => {
    const out = { text: '', isTTY: true, columns, write: (text: string) => (out.text += text) };
    new Output(false, out).fittingTable(['NAME', 'ID', 'RATE'], [['a', '0123456789', '1']], '', [
      ...['ID', 'RATE'],
    ]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: styles, which are not looked at here
    return out.text.replace(/\x1b\[\d+m/g, '');
  };
  expect(shown(22)).toMatch(/^NAME {2}ID +RATE$/m);
  expect(shown(21)).toMatch(/^NAME {2}RATE\na {5}1$/m);
  expect(shown(5)).toMatch(/^NAME\na$/m);
});

describe('text that strangers named', () => {
  it.each(evil)('is spelled out wherever it is printed: %j', (name) => {
    const text = printed(false, (output) => {
      output.line(name);
      output.lines(name);
      output.value({ [name]: name });
      output.table([name], [[name, output.paint('red', name)]], '');
      output.table([], [], name);
      output.list([[name, name]]);
      output.line(output.state(name));
    });
    // Only ends of lines are left, one for each call and one for the header.
    expect(text.replaceAll('\n', '')).toBe(printable(text.replaceAll('\n', '')));
    expect(text.split('\n')).toHaveLength(9);
  });

  it('is the same again when JSON is read', () => {
    const names = [...evil, 'two\nlines', 'Käse 🧀'];
    expect(JSON.parse(printed(false, (output) => output.value(names)))).toEqual(names);
  });

  it('adds no line where there is to be one', () => {
    expect(printable('a\nnsm: all is well\t')).toBe('a\\u000ansm: all is well\\u0009');
    expect(printableLines('a\nb\u2028\t')).toBe('a\nb\\u2028\\u0009');
  });

  it('leaves what is only seen as it is', () => {
    expect(printable('Käse 🧀 日本 עברית “–” 1.5 µs ✓')).toBe('Käse 🧀 日本 עברית “–” 1.5 µs ✓');
  });
});
