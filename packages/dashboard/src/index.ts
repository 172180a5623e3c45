// The page that shows a mesh, and what serves it.
export { type DashboardOptions, DashboardServer, type PageCertificate } from './http/dashboard-server.js';
export type {
  ConnectionNews,
  ExplainedRequest,
  Look,
  ManagerFeed,
  MeshSource,
} from './manager-feed.js';
export { LiveMesh } from './mesh/live-mesh.js';
export type { Explanation, Snapshot } from './model.js';
