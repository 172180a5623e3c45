// Where the page hears of managers.
import type { MeshSource } from '@nsm/dashboard';
import type { MachineCredentials } from '@nsm/pki';
import { managersToAsk } from '../../managers/managers-to-ask.js';
import { AdminFeed } from './admin-feed.js';
import type { DashboardFlags } from './flags.js';

export function meshSource(
  flags: Pick<DashboardFlags, 'runDir' | 'manager' | 'insecure'>,
  credentials: MachineCredentials | undefined,
): MeshSource {
  const { asked, ask } = managersToAsk(flags, credentials);
  return {
    feeds: asked.map((manager) => new AdminFeed(manager)),
    feedOf: (manager) => {
      const other = ask(manager);
      return typeof other === 'string' ? other : new AdminFeed(other);
    },
  };
}
