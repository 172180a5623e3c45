// Facts of the registry: what the manager has of it, and how long it takes to write there.
import type { admin } from '@nsm/api';
import { withAdmin } from '../../managers/admin-client.js';
import type { CheckContext, ManagerAnswers } from './check-context.js';

export interface RegistryFacts extends ManagerAnswers {
  readonly write: Pick<admin.CheckRegistryReply, 'error' | 'elapsedMs'>;
  /** Of an etcd. */
  readonly members: readonly Pick<admin.RegistryMember, 'address' | 'error' | 'elapsedMs'>[];
}

export async function readRegistryFacts(context: CheckContext): Promise<RegistryFacts> {
  const answers = await context.manager();
  context.progress(`writing to the registry ${answers.view.registry}`);
  const write = await withAdmin(context.flags.runDir, (client) => client.checkRegistry({}));
  return { ...answers, write, members: write.members };
}
