// Checks of the registry, by which managers and endpoints are found.
import { broken, type Check, type Group, group, warning, well } from './check.js';
import { findingCheck } from './findings-check.js';
import { type RegistryFacts, readRegistryFacts } from './registry-facts.js';

/** Milliseconds: a connection waits for the registry only when a new block of addresses is needed, but endpoints are told by it. */
const slowMs = 250;

export const registryChecks: readonly Check<RegistryFacts>[] = [
  findingCheck<RegistryFacts>({
    code: 'NSM0970',
    title: 'registry answers',
    neededFor: 'hearing of endpoints and managers; connections that stand go on without it',
    mend: 'is the process of --registry running, and does this node reach its address? The log of this manager says what it answers',
    well: ({ view }) => `${view.registry} answers, and its copy here is complete`,
  }),
  {
    code: 'NSM0971',
    title: 'writing to the registry',
    neededFor:
      'telling others of endpoints, and keeping the lease of 10 s by which this manager counts as alive',
    mend: 'look at the disk and the load of the machine of the registry; for etcd: `etcdctl endpoint status -w table`',
    judge: ({ write: { error, elapsedMs } }) => {
      if (error !== '') return broken(`the registry does not take this manager's record: ${error}`);
      const words = `a record is written in ${elapsedMs.toFixed(1)} ms`;
      return elapsedMs > slowMs ? warning(words) : well(words);
    },
  },
  {
    code: 'NSM0972',
    title: 'this manager in the registry',
    neededFor: 'other managers, which call the address that is registered',
    mend: 'another manager may have taken the name: `nsm get managers`; give each its own --name',
    judge: ({ view }) => {
      const { name, address } = view.manager;
      const record = view.managers.find((one) => one.name === name);
      if (!record) return broken(`manager ${name} is not registered: no other finds its endpoints`);
      if (!record.alive)
        return broken(`manager ${name} is registered, and counts as gone: its lease has run out`);
      return record.address === address
        ? well(`registered at ${address}`)
        : broken(`registered at ${record.address}, and this manager is at ${address}`);
    },
  },
  {
    code: 'NSM0973',
    title: 'managers in the registry',
    neededFor: 'connections to other nodes',
    mend: 'start the managers of other nodes with `--registry nsm://HOST:PORT` of the first',
    judge: ({ view }) => {
      const { length } = view.managers;
      const words = length <= 1 ? 'this manager is the only one' : `${length} managers are known`;
      return well(view.registrySynced ? words : `${words}, from before the registry went away`);
    },
  },
  {
    code: 'NSM0974',
    title: 'members of the etcd',
    neededFor: 'going on without one of them: a majority must answer',
    mend: '`etcdctl --endpoints HOST:PORT endpoint health`; `journalctl -u etcd` on that machine',
    judge: ({ members }) => {
      if (members.length === 0) return undefined;
      const away = members.filter(({ error }) => error !== '');
      const level = away.length * 2 >= members.length ? broken : warning;
      return members.map(({ address, error, elapsedMs }) =>
        error === ''
          ? well(`${address} answers in ${elapsedMs.toFixed(1)} ms`)
          : level(`${address}: ${error}`),
      );
    },
  },
  {
    code: 'NSM0975',
    title: 'way to etcd',
    neededFor: 'nobody on the way reading or changing who serves what',
    mend: '`--registry etcds://…` with --etcd-ca',
    judge: ({ view }) => {
      if (!/^etcds?:/.test(view.registry)) return undefined;
      const plain = /^etcd:/.test(view.registry) && !/\/\/(127\.|localhost|\[::1\])/.test(view.registry);
      return plain
        ? warning(`${view.registry} is called in plain text: whoever is on the way can do as a manager can`)
        : well('etcd is called by TLS, or on this machine');
    },
  },
];

export const registryGroup: Group = group<RegistryFacts>({
  name: 'registry',
  title: 'Registry',
  needsManager: true,
  read: readRegistryFacts,
  checks: registryChecks,
});
