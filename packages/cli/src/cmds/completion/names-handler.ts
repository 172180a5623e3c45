// Names for completion, one a line; nothing when they cannot be had at once.
import { isId } from '@nsm/api';
import { Output } from '@nsm/output';
import { withAdmin } from '../../managers/admin-client.js';
import type { NameKind } from './name-kinds.js';

/** Milliseconds that a shell may be kept waiting. */
const timeoutMs = 300;

export async function printNames(kind: NameKind, runDir: string): Promise<void> {
  try {
    const names = await namesOf(kind, runDir);
    const output = new Output(false);
    // What is no name, whoever stored it, has no place on a command line.
    for (const name of new Set(names)) if (isId(name)) output.line(name);
  } catch {
    // A shell in the middle of a line is no place for an error message.
  }
}

async function namesOf(kind: NameKind, runDir: string): Promise<string[]> {
  switch (kind) {
    case 'services':
      return await withAdmin(runDir, async (admin) =>
        (await admin.listServices({}, { timeoutMs })).services.map(({ name }) => name),
      );
    case 'endpoints':
      return await withAdmin(runDir, async (admin) =>
        (await admin.listEndpoints({}, { timeoutMs })).endpoints.map(
          ({ endpoint }) => endpoint?.nseProviderName ?? '',
        ),
      );
    case 'connections':
      return await withAdmin(runDir, async (admin) =>
        (await admin.listConnections({}, { timeoutMs })).connections.flatMap(({ id, requestId }) => [
          requestId,
          id,
        ]),
      );
    case 'members':
      return (await import('@nsm/lab')).labMembers();
    case 'labs': {
      const { labList } = await import('@nsm/lab');
      const silent = { write: () => true };
      return labList({ output: { stdout: silent, stderr: silent } }).map(({ name }) => name);
    }
  }
}
