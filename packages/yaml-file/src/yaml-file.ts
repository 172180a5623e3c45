// One YAML file, read and checked by a schema: every problem is told with its line and column.
import { readFileSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import {
  type Document,
  type DocumentOptions,
  isMap,
  isNode,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type ScalarTag,
  type SchemaOptions,
  visit,
  type YAMLMap,
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
      code === 'ENOENT'
        ? `there is no ${kind.what} ${path}`
        : `cannot read the ${kind.what} ${path}: ${message}`,
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

/** What one look at the screen holds; the rest is counted. */
const mostTold = 50;

interface PlacedProblem {
  /** Where the problem begins, in characters from the beginning of the text. */
  readonly offset: number;
  readonly text: string;
}

/** Reads and checks the text of a file; `name` is how errors call it. @throws NsmError `invalid` */
export function parseYamlFile<T>(text: string, name: string, { schema, problemsOf }: YamlFileKind<T>): T {
  const lines = new LineCounter();
  const refusal = (problems: readonly PlacedProblem[]): NsmError => {
    const told = problems
      .toSorted((a, b) => a.offset - b.offset)
      .slice(0, mostTold)
      .map(({ offset, text }) => {
        const { line, col } = lines.linePos(offset);
        return `${name}:${line}:${col}: ${text}`;
      });
    const more = problems.length - told.length;
    return new NsmError('invalid', [...told, ...(more > 0 ? [`and ${more} more`] : [])].join('\n'));
  };
  // Windows' editors put it before the text; it is no part of it (RFC 3629 section 6).
  const content = text.replace(/^\uFEFF/, '');
  const document = parseDocument(content, {
    ...asWritten,
    prettyErrors: false,
    stringKeys: true,
    merge: true,
    // The library compares each key with each other one: of 20,000, for minutes.
    uniqueKeys: false,
    lineCounter: lines,
  });
  // It stands where a reader of UTF-8 found bytes that are none.
  const broken = content.indexOf('\uFFFD');
  if (broken >= 0) throw refusal([{ offset: broken, text: 'here is no UTF-8: save the file as UTF-8' }]);
  const unread = [
    ...document.errors,
    ...document.warnings.filter(({ code }) => code === 'TAG_RESOLVE_FAILED'),
  ].map(({ pos, code, message }) => ({ offset: pos[0], text: words[code] ?? message }));
  if (unread.length > 0) throw refusal(unread);
  const found = documentProblems(document, lines);
  if (found.length > 0) throw refusal(found);
  const value: unknown = readValue(document, name);
  if (value === null) throw refusal([{ offset: 0, text: 'the file is empty' }]);
  const parsed = schema.safeParse(value);
  const problems = parsed.success
    ? problemsOf(parsed.data)
    : parsed.error.issues.flatMap((issue) => shapeProblems(issue, value));
  if (problems.length === 0 && parsed.success) return parsed.data;
  const offsetOf = offsets(document);
  throw refusal(problems.map(({ path, text }) => ({ offset: offsetOf(path), text })));
}

/** The place of a path. A missing key has no place of its own: that of the nearest thing around it is given. */
function offsets(document: Document.Parsed): (path: readonly PropertyKey[]) => number {
  const pairs = new Map<YAMLMap, Map<string, Pair>>();
  const pairsOf = (map: YAMLMap): Map<string, Pair> => {
    const known = pairs.get(map) ?? new Map(map.items.map((pair) => [String(pair.key), pair]));
    pairs.set(map, known);
    return known;
  };
  return (path) => {
    let node: unknown = document.contents;
    let offset = 0;
    for (const key of path) {
      const pair = isMap(node) ? pairsOf(node).get(String(key)) : undefined;
      const item = isSeq(node) ? node.items[Number(key)] : undefined;
      const begins = beginningOf(pair ? pair.key : item);
      if (begins === undefined) break;
      offset = begins;
      node = pair ? pair.value : item;
    }
    return offset;
  };
}

function beginningOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/**
 * What YAML or its library lets pass, or refuses without saying where: an alias of nothing or of what is around it, a key
 * that is there twice, and the one name that no map of JavaScript takes.
 */
function documentProblems(document: Document.Parsed, lines: LineCounter): PlacedProblem[] {
  const problems: PlacedProblem[] = [];
  visit(document, {
    Alias(_, alias) {
      const offset = beginningOf(alias) ?? 0;
      const source = alias.resolve(document);
      if (!source)
        problems.push({
          offset,
          text: `*${alias.source} stands for nothing: no &${alias.source} is before it`,
        });
      else if (source.range && source.range[0] <= offset && offset < source.range[2])
        problems.push({ offset, text: `*${alias.source} is within what it stands for` });
    },
    Map(_, map) {
      const begins = new Map<string, number>();
      for (const { key } of map.items) {
        const name = String(key);
        const offset = beginningOf(key) ?? 0;
        const before = begins.get(name);
        if (name === '__proto__') problems.push({ offset, text: `${name} is no name for a key` });
        if (before === undefined) begins.set(name, offset);
        else
          problems.push({
            offset,
            text: `${name} is there twice, first in line ${lines.linePos(before).line}: take one away`,
          });
      }
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
