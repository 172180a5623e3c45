// Checks of the mesh as the manager of this node knows it: what `nsm status` shows, under the codes of the checks.
import { counted } from '@nsm/views/texts';
import { type Check, type Group, group } from './check.js';
import type { ManagerAnswers } from './check-context.js';
import { findingCheck } from './findings-check.js';

export const meshChecks: readonly Check<ManagerAnswers>[] = [
  findingCheck<ManagerAnswers>({
    code: 'NSM0980',
    title: 'policy',
    neededFor: 'who may provide and ask for network services',
    mend: '`nsm policy show` has each mistake with its line; the file is read again when it changes',
    well: ({ view }) =>
      view.policy === '' ? 'no policy: everybody may provide and ask' : `${view.policy} is in force`,
  }),
  findingCheck<ManagerAnswers>({
    code: 'NSM0981',
    title: 'connections',
    neededFor: 'pods',
    mend: '`nsm describe connection ID` says what is undone, and why',
    well: ({ view }) => `${counted(view.connections.length, 'connection')}: as wanted`,
  }),
  findingCheck<ManagerAnswers>({
    code: 'NSM0982',
    title: 'endpoints',
    neededFor: 'new connections, and those that lose their endpoint',
    mend: '`nsm explain SERVICE` says for each endpoint why it is not chosen',
    well: ({ view }) => `${counted(view.endpoints.length, 'endpoint')}: can be chosen`,
  }),
  findingCheck<ManagerAnswers>({
    code: 'NSM0983',
    title: 'limits',
    neededFor: 'what one pod may have, so that there is enough for all',
    mend: '`nsm manager --limit NAME=NUMBER`; `nsm describe manager` shows all',
    well: () => 'no request was refused for a limit',
  }),
  findingCheck<ManagerAnswers>({
    code: 'NSM0984',
    title: 'audit log',
    neededFor: 'knowing later who did what',
    mend: 'room on its disk, or a reader that keeps up',
    well: () => 'no line of it is lost',
  }),
  findingCheck<ManagerAnswers>({
    code: 'NSM0992',
    title: 'refused requests',
    neededFor: 'pods that asked for a connection and have none',
    mend: '`nsm explain --from POD` says why, and what would come of the request now',
    well: () => 'no pod was refused in the last 10 minutes',
  }),
];

export const meshGroup: Group = group<ManagerAnswers>({
  name: 'mesh',
  title: 'Connections, endpoints and policy',
  needsManager: true,
  read: async (context) => await context.manager(),
  checks: meshChecks,
});
