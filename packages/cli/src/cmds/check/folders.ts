// Checks of the sockets and folders of this node, and of who answers there.

import { splitHostPort } from '@nsm/api';
import { broken, type Check, type Group, group, type Outcome, warning, well } from './check.js';
import { findingCheck } from './findings-check.js';
import { type FolderFacts, readFolderFacts } from './folder-facts.js';

/** Bytes and inodes with which a manager can still write what it must. */
const [fewBytes, littleBytes, fewInodes] = [2 ** 20, 128 * 2 ** 20, 64];

export const folderChecks: readonly Check<FolderFacts>[] = [
  {
    code: 'NSM0940',
    title: 'manager',
    neededFor: 'everything: pods ask the manager of their node',
    mend: '`systemctl start nsm-manager`, or: `nsm manager --run-dir DIR`; `journalctl -u nsm-manager` says why it ended',
    judge: ({ manager, managerError, runDir, pre }) => {
      if (pre) return undefined;
      return manager
        ? well(`manager ${manager.view.manager.name} answers in ${runDir}`)
        : broken(managerError);
    },
  },
  {
    code: 'NSM0941',
    title: 'versions of command and manager',
    neededFor: 'this command to know what the manager says',
    mend: 'restart the manager after an upgrade: packets flow on meanwhile',
    judge: ({ manager, ownVersion }) => {
      if (!manager) return undefined;
      const { version } = manager.view.manager;
      return version === ownVersion
        ? well(`both are ${version}`)
        : warning(`this command is ${ownVersion}, the manager ${version || 'does not say what it is'}`);
    },
  },
  {
    code: 'NSM0942',
    title: 'run folder',
    neededFor: 'the sockets that pods and operators call',
    mend: '`chown root /run/nsm && chmod 755 /run/nsm`, or another --run-dir',
    judge: ({ runDir, run }) => folderOutcome('--run-dir', runDir, run),
  },
  {
    code: 'NSM0943',
    title: 'state folder',
    neededFor: 'connections that outlive a restart of the manager, and its certificate',
    mend: '`chown root /var/lib/nsm && chmod go-w /var/lib/nsm`, or another --state-dir',
    judge: ({ stateDir, state }) => folderOutcome('--state-dir', stateDir, state),
  },
  {
    code: 'NSM0944',
    title: 'sockets',
    neededFor: 'whoever calls: behind a socket that nobody serves there is no answer',
    mend: 'start what served it: a manager (client.sock, endpoint.sock, admin.sock) or a forwarder (forwarder.sock); each replaces its own',
    judge: ({ staleSockets, pre, runDir }) =>
      staleSockets.length === 0
        ? well(`no socket in ${runDir} is without its process`)
        : staleSockets.map((socket) =>
            (pre ? warning : broken)(`nobody serves ${socket}: whoever made it has ended`),
          ),
  },
  {
    code: 'NSM0945',
    title: 'disk space',
    neededFor: 'records: without it no connection is made, and what is there stays as it is',
    mend: '`df -h DIR`; free space there, or move it by --state-dir',
    judge: ({ disks }) =>
      disks.map(({ path, freeBytes, bytes }) => {
        const words = `${mebibytes(freeBytes)} of ${mebibytes(bytes)} MiB are free at ${path}`;
        const mend = `\`df -h ${path}\`; free space there, or move it`;
        if (freeBytes < fewBytes) return broken(words, mend);
        return freeBytes < littleBytes && freeBytes < bytes / 10 ? warning(words, mend) : well(words);
      }),
  },
  {
    code: 'NSM0946',
    title: 'inodes',
    neededFor: 'new files: records and sockets',
    mend: '`df -i DIR`; remove files there, or move it by --state-dir',
    judge: ({ disks }) =>
      // File systems without a number of their own (btrfs) say 0.
      disks
        .filter(({ inodes, freeInodes }) => inodes > 0 && freeInodes < fewInodes)
        .map(({ path, freeInodes, inodes }) =>
          broken(
            `${freeInodes} of ${inodes} inodes are free at ${path}`,
            `\`df -i ${path}\`; remove files there`,
          ),
        ),
  },
  findingCheck<FolderFacts>({
    code: 'NSM0947',
    title: 'disk can be written to',
    neededFor: 'records and sockets: without them no connection is made, and what is there stays as it is',
    mend: '`mount -o remount,rw DIR`; `df -h DIR` and `df -i DIR` say whether it is full; after a start with a copy: restart the manager',
    well: () => undefined,
    beyond: ({ disks }) =>
      disks
        .filter(({ readOnly }) => readOnly)
        .map(({ path }) =>
          broken(`the file system of ${path} is read-only`, `\`mount -o remount,rw ${path}\``),
        ),
  }),
  findingCheck<FolderFacts>({
    code: 'NSM0948',
    title: 'forwarder',
    neededFor: 'making and mending connections; packets of those that stand go on without it',
    mend: '`systemctl restart nsm-forwarder`, or restart the manager',
    well: ({ manager }) => (manager ? 'the forwarder answers' : undefined),
  }),
  {
    code: 'NSM0949',
    title: 'port of the manager',
    neededFor: 'other managers, which call it',
    mend: '`ss -ltnp "sport = :5001"` names who has it; end that, or choose another --listen (and --advertise)',
    judge: ({ listen, port }) => {
      if (port === 'ours') return well(`the manager listens on ${listen}`);
      if (port === 'free') return well(`${listen} is free`);
      const mend = `\`ss -ltnp "sport = :${splitHostPort(listen).port}"\` names who has it; end that, or choose another --listen`;
      return broken(`${listen} cannot be listened on: ${port.taken}`, mend);
    },
  },
];

export const folderGroup: Group = group<FolderFacts>({
  name: 'folders',
  title: 'Sockets and folders of this node',
  read: readFolderFacts,
  checks: folderChecks,
});

function folderOutcome(flag: string, path: string, { why, missing }: FolderFacts['run']): Outcome {
  if (why !== '')
    return broken(
      `${flag} ${path} ${why}`,
      `\`chown root ${path} && chmod go-w ${path}\`, or another ${flag}`,
    );
  return well(
    missing ? `${path} is not there yet: it is made at the start` : `nobody else may change ${path}`,
  );
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 2 ** 20);
}
