// One manager, service, endpoint, connection, or the tunnels of the node, in full.
import { Output } from '@nsm/output';
import { type AdminClient, withAdmin } from '../../managers/admin-client.js';
import { runGet } from '../get/handler.js';
import { describeConnection } from './describe-connection.js';
import { describeEndpoint } from './describe-endpoint.js';
import { describeManager } from './describe-manager.js';
import { describeService } from './describe-service.js';
import type { DescribeFlags, DescribeKind } from './flags.js';

type Describe = (admin: AdminClient, output: Output, name: string) => Promise<void>;

const describe: Readonly<Record<Exclude<DescribeKind, 'tunnel'>, Describe>> = {
  manager: describeManager,
  service: describeService,
  endpoint: describeEndpoint,
  connection: describeConnection,
};

export async function runDescribe(what: DescribeKind, name: string, flags: DescribeFlags): Promise<void> {
  if (what === 'tunnel') return await runGet('tunnels', { ...flags, state: [] });
  const output = new Output(flags.json === true);
  await withAdmin(flags.runDir, (admin) => describe[what](admin, output, name));
}
