// What programs can leave behind on this machine: namespaces, links, mounts, lab folders, processes.
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Everything that is there now, by kind.
 * @param marker processes count when their environment has it.
 * @param isolated whether network and /run are the caller's alone: only then what is there can be told from what others make.
 */
export function takeTraces(marker, isolated) {
  const processes = { process: new Set(processesWith(marker)) };
  if (!isolated) return processes;
  return {
    ...processes,
    'network namespace': new Set(list('/run/netns')),
    link: new Set(list('/sys/class/net')),
    mount: new Set(mounts()),
    'lab folder': new Set(list('/run/nsm/lab')),
  };
}

/** What is there now and was not there before, in words. */
export function newTraces(before, marker, isolated) {
  return Object.entries(takeTraces(marker, isolated)).flatMap(([kind, names]) =>
    [...names].filter((name) => !before[kind].has(name)).map((name) => `${kind} ${name}`),
  );
}

function list(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function mounts() {
  return (
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      // The folder of named namespaces is a mount that ip-netns(8) leaves for good, too.
      .filter((path) => path !== '' && path !== '/run/netns')
  );
}

function processesWith(marker) {
  return list('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(marker)) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return [`${pid} (${command})`];
    } catch {
      // Another user's, or it ended while we looked.
      return [];
    }
  });
}
