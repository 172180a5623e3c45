// The pieces that schemas of such files are made of, with the words for what is accepted.
import { z } from 'zod';
import { accepted, orQuoted } from './accepted.js';

export const text = (what: string): z.ZodString => z.string(orQuoted(what));

export const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** A place for text: what reads as a number, true or false elsewhere is here the text that was written. */
export const written = <Text extends z.ZodType>(schema: Text): z.ZodPreprocess<Text> =>
  z.preprocess((value) => (isScalar(value) ? String(value) : value), schema);

/** An object of known keys and no others. */
export const strict = <Shape extends z.core.$ZodLooseShape>(
  what: string,
  shape: Shape,
): z.ZodObject<z.core.util.Writeable<Shape>, z.core.$strict> =>
  z.strictObject(shape, {
    // The keys travel in the message, after a newline, to the place that writes the suggestion.
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown\n${Object.keys(shape).join('\n')}`
        : accepted(`${what} (${Object.keys(shape).join(', ')})`).error(issue),
  });

export const named = <Value extends z.ZodType>(
  what: string,
  key: z.ZodString,
  value: Value,
): z.ZodRecord<z.ZodString, Value> => z.record(key, value, accepted(`${what}, each under its name`));

export const list = <Value extends z.ZodType>(what: string, value: Value): z.ZodArray<Value> =>
  z.array(value, accepted(`a list of ${what}`));
