// Each call that is refused is a line of the audit log; what is served as asked is none.
import { create } from '@bufbuild/protobuf';
import { type CallContext, NsmError, SubjectSchema } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { Audit } from '../audit/audit.js';
import { auditedCalls } from './audited-calls.js';

const peer = { pid: 9, uid: 1000, gid: 1000, namespace: { inode: 42, cookie: 7n } };
const context: CallContext = { signal: new AbortController().signal, peer };
const who = { inode: 42, cookie: '7', uid: 1000, pid: 9 };

describe('audited calls', () => {
  const lines: object[] = [];
  const components = {
    audit: new Audit({ write: (line) => lines.push(line) }, 'node-a'),
    subjects: {
      of: () => create(SubjectSchema, who),
    },
  };
  const service = auditedCalls(
    components,
    {
      refuse: async (_request: object, _context: CallContext) => ({
        accepted: false,
        admissionError: 'has 1 of 1 connections (NSM0006)',
      }),
      fail: async (_request: object, _context: CallContext): Promise<object> => {
        throw new NsmError('invalid', 'malformed');
      },
      never: (_request: object, _context: CallContext): Promise<object> => {
        throw new NsmError('privilege', 'not for operators');
      },
      leave: async (_request: object, _context: CallContext): Promise<object> => {
        throw new NsmError('cancelled', 'gone');
      },
      serve: async (_request: object, _context: CallContext) => ({ accepted: true }),
      close: async (_request: object, _context: CallContext) => ({ accepted: true }),
      async *watch(_request: object, _context: CallContext): AsyncGenerator<object> {
        yield {};
        throw new NsmError('overload', 'too many watches');
      },
      async *capture(_request: object, _context: CallContext): AsyncGenerator<object> {
        yield* [{}, {}];
      },
    },
    ['close', 'capture'],
  );

  const told = async (call: () => Promise<unknown>): Promise<object[]> => {
    lines.length = 0;
    await call().catch(() => undefined);
    return lines;
  };

  it('are lines when they are refused, with who asked and what', async () => {
    const request = { requestId: 'pod', networkServiceName: 'x'.repeat(300), labels: { a: 'b' } };
    expect(await told(() => service.refuse(request, context))).toEqual([
      expect.objectContaining({
        event: 'call',
        outcome: 'refused NSM0006',
        reason: 'has 1 of 1 connections',
        who,
        what: { call: 'refuse', request: 'pod', service: 'x'.repeat(253) },
      }),
    ]);
    const networkEndpoint = [{ nseProviderName: 'one' }, { nseProviderName: 'two' }];
    expect(await told(() => service.fail({ networkEndpoint }, context))).toEqual([
      expect.objectContaining({
        outcome: 'refused NSM0101',
        what: { call: 'fail', endpoint: 'one', endpoints: 2 },
      }),
    ]);
    expect(await told(async () => await service.never({}, context))).toEqual([
      expect.objectContaining({ outcome: 'refused NSM0603' }),
    ]);
    const watched = await told(async () => {
      for await (const _ of service.watch({}, context));
    });
    expect(watched).toEqual([expect.objectContaining({ outcome: 'refused NSM0006', who })]);
  });

  it('are none when they are served, or left by their callers, but for orders', async () => {
    expect(await told(() => service.serve({}, context))).toEqual([]);
    expect(await told(() => service.leave({}, context))).toEqual([]);
    expect(await told(() => service.close({ id: 'a:1' }, context))).toEqual([
      expect.objectContaining({ outcome: 'accepted', who, what: { call: 'close', connection: 'a:1' } }),
    ]);
    const captured = await told(async () => {
      for await (const _ of service.capture({ half: { connectionId: 'a:1' } }, context));
    });
    expect(captured).toEqual([
      expect.objectContaining({ outcome: 'accepted', what: { call: 'capture', connection: 'a:1' } }),
    ]);
  });
});
