// The program that runs inside the user namespace of a lab without root; started by user-namespace.ts only.
import { NsmError } from '@nsm/api';
import { labExec } from './exec.js';
import { labInspect } from './inspect.js';
import { labUp } from './up.js';
import { type InsideAnswer, type InsideRequest, isUp } from './user-namespace.js';

const abort = new AbortController();
const stop = (): void => abort.abort(new NsmError('cancelled', 'stopped'));
process.on('message', stop);
// The outer process has ended, however it did.
process.on('disconnect', stop);
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop);
process.send?.('running');

async function run(request: InsideRequest): Promise<InsideAnswer> {
  switch (request.command) {
    case 'up':
      return {
        result: await labUp(request.file, {
          ...request.options,
          signal: abort.signal,
          onUp: () => process.send?.(isUp),
        }),
      };
    case 'inspect':
      return { result: await labInspect(request.name, request.options) };
    case 'exec':
      return { status: await labExec(request.name, request.member, request.argv) };
  }
}

// Not awaited here: the bundle is made of modules that are loaded synchronously.
void run(JSON.parse(process.argv[2] ?? '') as InsideRequest)
  .catch((thrown: unknown): InsideAnswer => {
    const { kind, message } = NsmError.from(thrown);
    return { error: { kind, message } };
  })
  .then((answer) => {
    if (process.connected) process.send?.(answer, () => process.disconnect());
  });
