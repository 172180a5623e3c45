// The kernel's settings (sysctl) of the calling thread's network namespace: /proc/sys/net shows those of the thread that opens it.
import { readFileSync, writeFileSync } from 'node:fs';
import { close } from './libc.js';
import { fsmount, fsopenProc } from './libc-syscalls.js';

/**
 * A setting by its path, such as `net/ipv6/conf/all/forwarding`; undefined where the kernel does not know it. Synchronous: the
 * threads of asynchronous file calls may be in another namespace.
 */
export function readSetting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/**
 * Changes a setting. Container runtimes mount /proc/sys read-only; with CAP_SYS_ADMIN a /proc of one's own is opened then, which is
 * mounted nowhere.
 * @throws Error of the file system: EROFS, EACCES, or ENOENT where the kernel does not know the setting.
 */
export function writeSetting(name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${name}`, value);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if ((code !== 'EROFS' && code !== 'EACCES') || !writeBeside(name, value)) throw error;
  }
}

/** @returns whether there was a /proc to write to. @throws Error of the file system */
function writeBeside(name: string, value: string): boolean {
  const context = fsopenProc();
  if (context < 0) return false;
  const mount = fsmount(context);
  close(context);
  if (mount < 0) return false;
  try {
    writeFileSync(`/proc/self/fd/${mount}/sys/${name}`, value);
    return true;
  } finally {
    close(mount);
  }
}
