// What the page may change, where that is allowed: it ends a connection, or takes the endpoints of a node out of service.
import { NsmError } from '@nsm/api';
import type { LiveMesh } from '../mesh/live-mesh.js';

/** @returns what was done, in words. @throws NsmError of what is not known, cannot be changed from here, or is refused. */
export async function changeOf(mesh: LiveMesh, path: string, body: unknown): Promise<string> {
  const { id, node, undo } = (body ?? {}) as Readonly<Record<string, unknown>>;
  switch (path) {
    case '/api/disconnect': {
      const connection = mesh.things.find((thing) => thing.kind === 'connection' && thing.id === id);
      if (connection?.kind !== 'connection') throw new NsmError('not-found', 'there is no such connection');
      // Either manager ends both halves.
      const half = connection.halves.find(({ node }) => mesh.feedOf(node)?.mayChange);
      const feed = mesh.feedOf(half?.node ?? '');
      if (!half || !feed) throw onlyLooks();
      await feed.disconnect(half.id);
      return `closed ${half.id}`;
    }
    case '/api/drain': {
      const feed = mesh.feedOf(String(node));
      if (!feed?.mayChange) throw onlyLooks();
      return await feed.drain(undo === true);
    }
    default:
      throw new NsmError('not-found', `there is no ${path}`);
  }
}

function onlyLooks(): NsmError {
  return new NsmError(
    'privilege',
    'changes are made on the node itself: this page is not asking its admin.sock',
  );
}
