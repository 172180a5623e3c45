// A dashboard in this process, of a mesh that the test tells of.
import { type DashboardOptions, DashboardServer, LiveMesh, type MeshSource } from '@nsm/dashboard';

export interface Served extends AsyncDisposable {
  readonly mesh: LiveMesh;
  readonly server: DashboardServer;
  /** Ends with `/`. */
  readonly url: string;
}

export async function serveMesh(
  source: MeshSource,
  options: Partial<DashboardOptions> = {},
): Promise<Served> {
  const mesh = new LiveMesh(source);
  const server = await DashboardServer.start(mesh, {
    listen: '127.0.0.1:0',
    names: [],
    allowChanges: false,
    ...options,
  });
  await mesh.refresh();
  return {
    mesh,
    server,
    url: `http://127.0.0.1:${server.port}/`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await mesh[Symbol.asyncDispose]();
    },
  };
}
