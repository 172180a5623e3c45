// What the page may change, where that is allowed: it ends a connection, or takes the endpoints of a node out of service.
import { NsmError } from '@nsm/api';
import { type LiveMesh, notLocal } from '../mesh/live-mesh.js';

/** @returns what was done, in words. @throws NsmError of what is not known, cannot be changed from here, or is refused. */
export async function changeOf(mesh: LiveMesh, path: string, body: unknown): Promise<string> {
  const { id, node, undo } = (body ?? {}) as Readonly<Record<string, unknown>>;
  switch (path) {
    case '/api/disconnect': {
      // Either manager ends both halves.
      const { half, feed } = mesh.localHalfOf(String(id));
      await feed.disconnect(half.id);
      return `closed ${half.id}`;
    }
    case '/api/drain': {
      const feed = mesh.feedOf(String(node));
      if (!feed?.isLocal) throw notLocal();
      return await feed.drain(undo === true);
    }
    default:
      throw new NsmError('not-found', `there is no ${path}`);
  }
}
