// The processes of a pod, by the cgroup that kubelet makes for it and names after its UID.
// Cgroups are asked, not the container runtime: they are the same with every runtime, need no socket that is as good as root, and tell
// which processes the pod has now. Pods cannot leave theirs.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The cgroups of the node as its first process sees them: a container sees its own part only. Seen with hostPID and CAP_SYS_PTRACE.
 */
const nodesOwn = '/proc/1/root/sys/fs/cgroup';
/** Folder that kubelet makes for all pods; with systemd it is a slice, named after those above it. */
const ofAllPods = /^(?:[\w-]+-)?kubepods(?:\.slice)?$/;
/** Below it, one folder for each class of service; guaranteed pods have none. */
const ofClass = /(?:^|-)(?:burstable|besteffort)(?:\.slice)?$/;
/** Folders between the root and that of all pods: a hierarchy of version 1, and kubelet's `--cgroup-root`. */
const maxDepth = 3;
/** Folders from that of a pod to its processes: of the container, and of what runs in it. */
const maxDepthOfPod = 4;

export class PodCgroups {
  readonly #root: string;
  /** Folders that have pods in them; empty until there are some. */
  #parents: readonly string[] = [];

  /** @param root where cgroups are mounted, of version 1 or 2. Default: as on the node itself. */
  constructor(root: string = nodesOwn) {
    this.#root = root;
  }

  /** Whether kubelet's folders are seen here. */
  get found(): boolean {
    return this.#folders().length > 0;
  }

  /** Ids of the pod's processes, in no order; none where the pod has no sandbox, or it is not seen. */
  processesOf(uid: string): number[] {
    const folder = this.#folderOf(uid);
    return folder === undefined ? [] : processesBelow(folder, maxDepthOfPod);
  }

  #folderOf(uid: string): string | undefined {
    // In the name of a slice "-" stands for a folder (systemd.slice(5)).
    const names = [uid, uid.replaceAll('-', '_')];
    for (const parent of this.#folders()) {
      const name = foldersIn(parent).find((one) => names.some((text) => one.includes(`pod${text}`)));
      if (name !== undefined) return join(parent, name);
    }
    return undefined;
  }

  #folders(): readonly string[] {
    if (this.#parents.length === 0) {
      const top = findFolder(this.#root, maxDepth);
      if (top !== undefined)
        this.#parents = [
          top,
          ...foldersIn(top)
            .filter((name) => ofClass.test(name))
            .map((name) => join(top, name)),
        ];
    }
    return this.#parents;
  }
}

/** Of the hierarchies of version 1 the first that kubelet has made folders in: each knows all processes. */
function findFolder(folder: string, depth: number): string | undefined {
  const names = foldersIn(folder);
  const found = names.find((name) => ofAllPods.test(name));
  if (found !== undefined) return join(folder, found);
  if (depth === 0) return undefined;
  for (const name of names) {
    const below = findFolder(join(folder, name), depth - 1);
    if (below !== undefined) return below;
  }
  return undefined;
}

function processesBelow(folder: string, depth: number): number[] {
  const own = read(join(folder, 'cgroup.procs')).split('\n').map(Number);
  const below =
    depth === 0 ? [] : foldersIn(folder).flatMap((name) => processesBelow(join(folder, name), depth - 1));
  return [...own.filter((pid) => pid > 0), ...below];
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch {
    // The cgroup has gone, or may not be read.
    return [];
  }
}

/** '' of a file that has gone, or that tells of threads only. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
