// The operator's side of a manager: its admin.sock.
import { join } from 'node:path';
import { admin, NsmError, type ServiceClient } from '@nsm/api';
import { ManagerLink } from '@nsm/sdk';
import { defaultRunDir } from '../flags/common-flags.js';
import { runningLab } from './running-lab.js';

export type AdminClient = ServiceClient<typeof admin.Admin>;

/** Runs `use` with the admin service of the manager at `runDir`; failures say which socket was asked. */
export async function withAdmin<T>(runDir: string, use: (client: AdminClient) => Promise<T>): Promise<T> {
  using link = new ManagerLink(join(runDir, 'admin.sock'));
  try {
    return await use(link.channel.client(admin.Admin));
  } catch (thrown) {
    const error = link.explain(thrown);
    const lab = runDir === defaultRunDir && error.kind === 'unavailable' ? runningLab() : '';
    throw lab === '' ? error : new NsmError(error.kind, error.message + lab, error);
  }
}
