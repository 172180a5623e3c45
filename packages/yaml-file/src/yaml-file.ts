// One YAML file, read and checked by a schema: every problem is told with its line and column.
import { readFileSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import {
  type Document,
  type DocumentOptions,
  isMap,
  LineCounter,
  parseDocument,
  type ScalarTag,
  type SchemaOptions,
  visit,
} from 'yaml';
import type { z } from 'zod';
import { type Problem, shapeProblems } from './problems.js';

/** A kind of file: how it is called, its shape, and what its parts must have to do with each other. */
export interface YamlFileKind<T> {
  /** Such as `lab file`. */
  readonly what: string;
  readonly schema: z.ZodType<T>;
  readonly problemsOf: (value: T) => readonly Problem[];
}

/** Reads and checks a file. @throws NsmError `not-found` or `invalid`, naming every problem with its line and column */
export function readYamlFile<T>(path: string, kind: YamlFileKind<T>): T {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new NsmError(
      'not-found',
      code === 'ENOENT' ? `there is no ${kind.what} ${path}` : `cannot read the ${kind.what}: ${message}`,
      error,
    );
  }
  return parseYamlFile(text, path, kind);
}

// Only what is spelled as JavaScript would spell it again is read as a number, true or false; everything else stays the text
// that was written. YAML's core schema (YAML 1.2.2 section 10.3.2) makes 1.1 of 1.10, 10 of 010 and 16 of 0x10.
const asWritten: Pick<DocumentOptions & SchemaOptions, 'schema' | 'customTags' | 'resolveKnownTags'> = {
  schema: 'failsafe',
  resolveKnownTags: false,
  customTags: [
    scalar('null', /^(?:~|null|Null|NULL)?$/, () => null),
    scalar('bool', /^(?:true|false)$/, (text) => text === 'true'),
    scalar('int', /^(?:0|-?[1-9][0-9]{0,14})$/, Number),
  ],
};

function scalar(type: string, test: RegExp, resolve: (text: string) => unknown): ScalarTag {
  return { tag: `tag:yaml.org,2002:${type}`, default: true, test, resolve };
}

/** Where the library speaks of its own functions. */
const words: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a second document begins here, and a file has one: take away what is from --- on',
  RESOURCE_EXHAUSTION: 'lists or maps within each other, too deep to read',
};

/** Reads and checks the text of a file; `name` is how errors call it. @throws NsmError `invalid` */
export function parseYamlFile<T>(text: string, name: string, { schema, problemsOf }: YamlFileKind<T>): T {
  const lines = new LineCounter();
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${line}:${col}`;
  };
  const document = parseDocument(text, {
    ...asWritten,
    prettyErrors: false,
    stringKeys: true,
    lineCounter: lines,
  });
  if (document.errors.length > 0)
    throw new NsmError(
      'invalid',
      document.errors
        .map(({ pos, code, message }) => `${name}:${place(pos[0])}: ${words[code] ?? message}`)
        .join('\n'),
    );
  const aliases = aliasProblems(document);
  if (aliases.length > 0)
    throw new NsmError(
      'invalid',
      aliases.map(({ offset, text }) => `${name}:${place(offset)}: ${text}`).join('\n'),
    );
  const value: unknown = readValue(document, name);
  const parsed = schema.safeParse(value);
  const problems = parsed.success
    ? problemsOf(parsed.data)
    : parsed.error.issues.flatMap((issue) => shapeProblems(issue, value));
  if (problems.length === 0 && parsed.success) return parsed.data;
  // A missing key has no place of its own: that of the nearest thing around it is given.
  const offsetOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const parent = document.getIn(path.slice(0, length - 1), true) ?? document.contents;
      const key = path[length - 1];
      const pair = isMap(parent) ? parent.items.find((item) => String(item.key) === String(key)) : undefined;
      const node = (pair?.key ?? document.getIn(path.slice(0, length), true)) as
        | { range?: number[] }
        | undefined;
      if (node?.range) return node.range[0] ?? 0;
    }
    return 0;
  };
  throw new NsmError(
    'invalid',
    problems
      .map(({ path, text }) => ({ offset: offsetOf(path), text }))
      .sort((a, b) => a.offset - b.offset)
      .map(({ offset, text }) => `${name}:${place(offset)}: ${text}`)
      .join('\n'),
  );
}

/** YAML itself lets an alias stand for anything; the library throws where it cannot be followed, without saying where it is. */
function aliasProblems(document: Document.Parsed): { readonly offset: number; readonly text: string }[] {
  const problems: { offset: number; text: string }[] = [];
  visit(document, {
    Alias(_, alias) {
      const offset = alias.range?.[0] ?? 0;
      const source = alias.resolve(document);
      if (!source)
        problems.push({
          offset,
          text: `*${alias.source} stands for nothing: no &${alias.source} is before it`,
        });
      else if (source.range && source.range[0] <= offset && offset < source.range[2])
        problems.push({ offset, text: `*${alias.source} is within what it stands for` });
    },
  });
  return problems;
}

/** @throws NsmError `invalid` for aliases of aliases that would fill the memory. */
function readValue(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new NsmError('invalid', `${name}:1:1: it cannot be read: ${NsmError.from(error).message}`, error);
  }
}
