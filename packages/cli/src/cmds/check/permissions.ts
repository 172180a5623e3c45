// Checks of what the process that programs the kernel may do. Before one runs here: what this process may.
import { release } from 'node:os';
import type { Privilege } from '@nsm/forwarder';
import { inCluster } from '../../config.js';
import { broken, type Check, type Group, group, type Outcome, untried, warning, well } from './check.js';
import type { CheckContext } from './check-context.js';
import { isBefore } from './kernel.js';
import { type ProcessFacts, readProcess, type Usage } from './process-facts.js';

export interface PermissionFacts extends ProcessFacts {
  readonly privileges: readonly Privilege[];
  readonly release: string;
  /** Kubernetes runs it. */
  readonly inCluster: boolean;
}

/** Connections keep a few descriptors each, and 65,536 are what the units of systemd give. */
const fewFiles = 8192;
const littleMemory = 256 * 2 ** 20;
const littleLockedMemory = 64 * 2 ** 20;
const nearlyUsed = 0.9;

async function readPermissions(context: CheckContext): Promise<PermissionFacts> {
  const { privilegesOf } = await import('@nsm/forwarder');
  const daemon = await context.daemon();
  const who = daemon === undefined ? 'this process' : `the daemon (process ${daemon})`;
  return {
    ...readProcess(daemon ?? process.pid, who),
    privileges: privilegesOf(daemon ?? process.pid),
    release: release(),
    inCluster,
  };
}

export const permissionChecks: readonly Check<PermissionFacts>[] = [
  {
    code: 'NSM0920',
    title: 'capabilities',
    neededFor: 'making interfaces, entering the network namespaces of pods, and loading eBPF',
    mend: 'run it as root, or give it `AmbientCapabilities=CAP_NET_ADMIN CAP_SYS_ADMIN CAP_NET_BROADCAST CAP_SYS_PTRACE CAP_NET_RAW` (systemd), --cap-add (docker), securityContext.capabilities.add (Kubernetes)',
    judge: ({ privileges, who, uid }) => {
      const lacking = privileges.filter(({ has }) => !has);
      if (lacking.length === 0) return well(`${who} has ${privileges.map(({ name }) => name).join(', ')}`);
      return lacking.map(({ name, what, required }) =>
        (required ? broken : warning)(`${who} (user ${uid}) lacks ${name}, by which it ${what}`),
      );
    },
  },
  {
    code: 'NSM0921',
    title: 'user namespace',
    neededFor: 'eBPF, which the kernel lets no process of another user namespace load',
    mend: 'run it outside rootless containers and without userns remapping: `docker run --userns=host`; on Kubernetes `hostUsers: true`',
    judge: ({ initialUsers, who }) =>
      initialUsers
        ? well(`${who} is in the machine's own user namespace`)
        : warning(`${who} is in a user namespace of its own: no eBPF there, and so no tunnels`),
  },
  {
    code: 'NSM0922',
    title: 'seccomp and no_new_privs',
    neededFor: 'unshare, setns, bpf, mount and ioctl, which some profiles forbid',
    mend: "where a check of the kernel fails with EPERM: the unit's SystemCallFilter= of deploy/systemd, or `docker run --security-opt seccomp=unconfined` to find out",
    judge: ({ seccomp, noNewPrivileges, who }) => {
      const words = [
        ...(seccomp === 0 ? [] : ['its system calls are filtered (seccomp)']),
        ...(noNewPrivileges ? ['it gains no privileges (no_new_privs)'] : []),
      ];
      return well(
        words.length === 0
          ? `${who}: nothing is filtered`
          : `${who}: ${words.join(', ')}; the checks of the kernel say whether that is in the way`,
      );
    },
  },
  {
    code: 'NSM0923',
    title: 'open files',
    neededFor: 'a few descriptors for each connection, endpoint and pod',
    mend: '`LimitNOFILE=65536` in the unit, `ulimit -n 65536` before a start by hand, `docker run --ulimit nofile=65536`',
    judge: ({ openFiles, who }) => {
      const { used, limit } = openFiles;
      if (used > limit * nearlyUsed) return broken(`${who} has ${used} files open of ${limit}`);
      return limit < fewFiles
        ? warning(`${who} may have ${limit} files open, and has ${used}`)
        : well(`${who} may have ${shown(limit)} files open, and has ${used}`);
    },
  },
  {
    code: 'NSM0924',
    title: 'locked memory',
    neededFor: 'maps of eBPF, before Linux 5.11 alone',
    mend: '`LimitMEMLOCK=infinity` in the unit, `ulimit -l unlimited` before a start by hand',
    judge: ({ lockedMemory, release, who }) =>
      isBefore(release, [5, 11]) && lockedMemory < littleLockedMemory
        ? warning(`${who} may lock ${lockedMemory} bytes: tunnels need ${littleLockedMemory}`)
        : well('memory of eBPF is not counted, or enough of it may be locked'),
  },
  {
    code: 'NSM0925',
    title: 'control group',
    neededFor: 'threads and memory: a daemon at its limit is killed, or refuses requests',
    mend: 'MemoryMax= and TasksMax= in the unit, resources.limits on Kubernetes, --memory and --pids-limit of docker',
    judge: ({ tasks, memory, who }) => {
      if (!tasks && !memory) return untried(`${who}: its control group is not seen from here`);
      const outcomes = [
        ...limited(tasks, `${who}: tasks of its control group`),
        ...limited(memory, `${who}: bytes of memory of its control group`),
      ];
      if (memory && memory.limit < littleMemory)
        outcomes.push(warning(`${who} may have ${memory.limit >> 20} MiB of memory: a busy node needs more`));
      return outcomes.length > 0
        ? outcomes
        : well(`${who}: tasks and memory are below the limits of its control group`);
    },
  },
  {
    code: 'NSM0926',
    title: '/run/netns',
    neededFor:
      'network namespaces that are called by name (--netns NAME) and made outside the container of the daemon',
    mend: 'mount it with propagation: `docker run -v /run/netns:/run/netns:rslave`; `mountPropagation: HostToContainer` on Kubernetes; `mount --make-rshared /` where the machine itself has private mounts',
    judge: ({ netns: { present, propagation, ofMachine }, who, inCluster: isPod }) => {
      if (!present && isPod)
        return well('pods are known by what kubelet runs, and need no names under /run/netns');
      if (!present)
        return ofMachine
          ? well('no /run/netns yet: the first named namespace makes it')
          : warning(`${who} sees no /run/netns: pods are known by their processes and inodes alone`);
      if (ofMachine || propagation !== 'private')
        return well(`${who} sees namespaces that get a name under /run/netns`);
      return broken(
        `${who} has mounts of its own, and /run/netns there is private: namespaces that are named outside are empty files inside`,
      );
    },
  },
  {
    code: 'NSM0927',
    title: 'AppArmor and SELinux',
    neededFor: '/proc of other processes, mounts and eBPF, which profiles of container runtimes forbid',
    mend: '`docker run --security-opt apparmor=unconfined` (or label=disable with SELinux); appArmorProfile: { type: Unconfined } on Kubernetes',
    judge: ({ confinement, selinuxEnforces, who }) => {
      const enforced =
        /\(enforce\)$/.test(confinement) || (selinuxEnforces && /:container_t:/.test(confinement));
      if (enforced) return warning(`${who} is confined by ${confinement}`);
      return well(confinement === '' ? 'no such module' : `${who} is ${confinement}`);
    },
  },
  {
    code: 'NSM0928',
    title: 'process ids',
    neededFor: 'knowing the pods of clients and endpoints by their processes',
    mend: '`docker run --pid=host`; `hostPID: true` on Kubernetes',
    judge: ({ initialProcesses, who }) =>
      initialProcesses
        ? well(`${who} sees the processes of the whole machine`)
        : warning(`${who} is in a pid namespace of its own: clients and endpoints outside it are refused`),
  },
];

export const permissionGroup: Group = group<PermissionFacts>({
  name: 'permissions',
  title: 'Permissions of the process that programs the kernel',
  read: readPermissions,
  checks: permissionChecks,
});

function limited(usage: Usage | undefined, what: string): Outcome[] {
  if (!usage || usage.used <= usage.limit * nearlyUsed) return [];
  return [broken(`${what}: ${usage.used} of ${usage.limit}`)];
}

function shown(limit: number): string {
  return Number.isFinite(limit) ? String(limit) : 'any number of';
}
