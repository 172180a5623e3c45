// Everything that a schema refuses, in words: path, value, what is accepted, and the name that was probably meant.
import type { z } from 'zod';
import { closestName } from './closest-name.js';

export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

export function shapeProblems(issue: z.core.$ZodIssue, value: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split('\n').slice(1);
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      return { path, text: `${dotted(path)}: unknown key${meant(key, known)}; known: ${known.join(', ')}` };
    });
  }
  // A key that is not a proper name: its own issue says what is accepted.
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const shown = issue.code === 'invalid_key' ? issue.path.at(-1) : valueAt(value, issue.path);
  const subject =
    shown === undefined ? dotted(issue.path) : `${dotted(issue.path)}: ${JSON.stringify(shown)}`;
  return [{ path: issue.path, text: `${subject} ${message}` }];
}

/** ` (did you mean NAME?)`, or nothing. */
export function meant(name: string, known: readonly string[]): string {
  const closest = closestName(name, known);
  return closest === undefined ? '' : ` (did you mean ${closest}?)`;
}

/** `rules[0].name`; `the file` for the whole. */
export function dotted(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file';
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`))
    .join('');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    // What has no parts is the short form of the one part that is asked for: a prefix for a list of one.
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : at),
    value,
  );
}
