// Errors keep their code and kind on every way they travel, and every code is explained in the documentation.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorKinds, NsmError } from './errors.js';

describe('NsmError', () => {
  it('survives being written as an admission_error, whatever its message', () => {
    fc.assert(
      fc.property(fc.constantFrom(...errorKinds), fc.string({ unit: 'binary' }), (kind, message) => {
        const error = new NsmError(kind, message);
        const read = NsmError.fromAdmissionError(error.toAdmissionError(), 'internal');
        expect([read.kind, read.message]).toEqual([kind, error.message]);
      }),
    );
  });

  it('takes a text of others as it is', () => {
    expect(NsmError.fromAdmissionError('no (NSM9999)', 'endpoint-refused')).toMatchObject({
      kind: 'endpoint-refused',
      message: 'no (NSM9999)',
    });
  });

  it('shows control characters, which a terminal would obey', () => {
    const said = 'no\nway: \u001b[31mred\u0007, \u009b2J, ü';
    expect(new NsmError('endpoint-refused', said).message).toBe('no\nway: \\x1b[31mred\\x07, \\x9b2J, ü');
  });

  it('takes a call that a stopping server has reset for cancelled', () => {
    const of = (details: string): string =>
      NsmError.from(Object.assign(new Error(details), { code: 13, details })).kind;
    expect(of('Received RST_STREAM with code 0 (Call ended without gRPC status)')).toBe('cancelled');
    expect(of('Received RST_STREAM with code 2 (Internal server error)')).toBe('internal');
  });

  it('has each code explained once in docs/errors.md', () => {
    const page = readFileSync(fileURLToPath(new URL('../../../docs/errors.md', import.meta.url)), 'utf8');
    const explained = [...page.matchAll(/^\| (NSM\d{4}) \|/gm)].map(([, code]) => code);
    expect(explained).toEqual(errorKinds.map((kind) => new NsmError(kind, '').code).toSorted());
  });
});
