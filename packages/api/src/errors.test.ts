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
        const read = NsmError.fromAdmissionError(new NsmError(kind, message).toAdmissionError(), 'internal');
        expect([read.kind, read.message]).toEqual([kind, message]);
      }),
    );
  });

  it('takes a text of others as it is', () => {
    expect(NsmError.fromAdmissionError('no (NSM9999)', 'endpoint-refused')).toMatchObject({
      kind: 'endpoint-refused',
      message: 'no (NSM9999)',
    });
  });

  it('has each code explained once in docs/errors.md', () => {
    const page = readFileSync(fileURLToPath(new URL('../../../docs/errors.md', import.meta.url)), 'utf8');
    const explained = [...page.matchAll(/^\| (NSM\d{4}) \|/gm)].map(([, code]) => code);
    expect(explained).toEqual(errorKinds.map((kind) => new NsmError(kind, '').code).toSorted());
  });
});
