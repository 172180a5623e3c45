// Facts of the folders of this node, found by looking, and by calling what is in them.
import { accessSync, constants, readdirSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { NsmError, splitHostPort, systemCodeOf } from '@nsm/api';
import { whyUntrusted } from '@nsm/durable';
import { ownVersion } from '../../own-version.js';
import type { Finding } from '../status/findings.js';
import type { CheckContext, ManagerAnswers } from './check-context.js';
import { listenerOf } from './listener-of.js';

export interface FolderFacts {
  readonly pre: boolean;
  readonly ownVersion: string;
  readonly manager: ManagerAnswers | undefined;
  /** Why none answers; '' where one does. */
  readonly managerError: string;
  readonly findings: readonly Finding[];
  readonly runDir: string;
  readonly stateDir: string;
  readonly run: Folder;
  readonly state: Folder;
  readonly staleSockets: readonly string[];
  /** Those that the folders are on, each once. */
  readonly disks: readonly Disk[];
  /** HOST:PORT. */
  readonly listen: string;
  /** Or why it cannot be listened on. */
  readonly port: 'ours' | 'free' | { readonly taken: string };
}

interface Folder {
  readonly missing: boolean;
  /** Why it cannot be used, in words that follow its path; ''. */
  readonly why: string;
}

interface Disk {
  readonly path: string;
  readonly bytes: number;
  readonly freeBytes: number;
  readonly inodes: number;
  readonly freeInodes: number;
  readonly readOnly: boolean;
}

export async function readFolderFacts(context: CheckContext): Promise<FolderFacts> {
  context.progress('looking at folders and sockets');
  const { flags } = context;
  const { runDir, pre = false } = flags;
  let manager: ManagerAnswers | undefined;
  let managerError = '';
  if (!pre)
    try {
      manager = await context.manager();
    } catch (thrown) {
      managerError = NsmError.from(thrown).message;
    }
  const stateDir = manager?.status.stateDir || flags.stateDir;
  const listen = manager?.status.listen || flags.listen;
  return {
    pre,
    ownVersion: ownVersion(),
    manager,
    managerError,
    findings: manager?.findings ?? [],
    runDir,
    stateDir,
    run: folder(runDir, pre),
    state: folder(stateDir, pre),
    staleSockets: await staleSockets(runDir),
    disks: disksOf([stateDir, runDir]),
    listen,
    port: manager ? 'ours' : await tryPort(listen),
  };
}

/** @param pre it is this user who is going to start a manager; one that was started here has looked itself, as its own user. */
function folder(path: string, pre: boolean): Folder {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat && !stat.isDirectory()) return { missing: false, why: 'is no folder' };
  return { missing: !stat, why: pre ? whyUntrusted(path) : '' };
}

async function staleSockets(runDir: string): Promise<string[]> {
  const sockets = entries(runDir).filter((name) => name.endsWith('.sock'));
  const found = await Promise.all(
    sockets.map(async (name) =>
      (await listenerOf(join(runDir, name))) === undefined ? [join(runDir, name)] : [],
    ),
  );
  return found.flat();
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function disksOf(paths: readonly string[]): Disk[] {
  const disks = new Map<number, Disk>();
  for (const wanted of paths) {
    const path = present(wanted);
    const { dev } = statSync(path);
    if (disks.has(dev)) continue;
    const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
    disks.set(dev, {
      path,
      bytes: blocks * bsize,
      freeBytes: bavail * bsize,
      inodes: files,
      freeInodes: ffree,
      readOnly: isReadOnly(path),
    });
  }
  return [...disks.values()];
}

/** The part of a path that exists. */
function present(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) ? path : present(dirname(path));
}

/** access(2) tells of a read-only file system by an error of its own, also to root. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return systemCodeOf(error) === 'EROFS';
  }
}

async function tryPort(listen: string): Promise<FolderFacts['port']> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve({ taken: error.message }));
    server.listen(
      { host: splitHostPort(listen).host, port: splitHostPort(listen).port, exclusive: true },
      () => server.close(() => resolve('free')),
    );
  });
}
