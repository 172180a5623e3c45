// This machine's file system with changes that nobody else sees, in namespaces of its own: where packages may be installed.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@nsm/testkit';

export class PrivateRoot {
  readonly #pid: number;
  readonly #folder: string;

  private constructor(pid: number, folder: string) {
    this.#pid = pid;
    this.#folder = folder;
  }

  /** `folder` is seen at /mnt. Rejects where the kernel has no overlay file system here. */
  static async make(folder: string): Promise<PrivateRoot> {
    const own = mkdtempSync(join(tmpdir(), 'nsm-root-'));
    const script = `set -e
      mount -t tmpfs tmpfs ${own}
      mkdir ${own}/changes ${own}/work ${own}/root
      mount -t overlay overlay -o lowerdir=/,upperdir=${own}/changes,workdir=${own}/work ${own}/root
      for name in proc sys dev; do mount --rbind /$name ${own}/root/$name; done
      mount -t proc proc ${own}/root/proc
      for name in run tmp; do mount -t tmpfs tmpfs ${own}/root/$name; done
      mount --bind ${folder} ${own}/root/mnt
      ip link set lo up
      # A shell, as process 1 has to bury what others leave. "made" comes from within: whoever enters before has the machine's own root.
      exec chroot ${own}/root sh -c 'echo made; while :; do sleep 1000 & wait; done'`;
    const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--propagation=private'];
    const holder = spawn('unshare', [...namespaces, 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    holder.stderr.on('data', (text) => {
      said += text;
    });
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.once('close', () => reject(new Error(`no root of its own: ${said}`)));
    });
    const children = `/proc/${holder.pid}/task/${holder.pid}/children`;
    return new PrivateRoot(Number(readFileSync(children, 'utf8').trim()), own);
  }

  /** What a shell's script prints in there. Rejects when it fails. */
  run(script: string): Promise<string> {
    const path = 'PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const shell = ['env', '-i', path, 'DEBIAN_FRONTEND=noninteractive', 'sh', '-ec', script];
    return run(undefined, 'nsenter', [...this.#target, '--root', '--wd', ...shell]);
  }

  /** Paths of files and links that are not as they were, without those that match. */
  changes(except: RegExp): string[] {
    const find = ['find', join(this.#folder, 'changes'), '-type', 'f,l', '-printf', '/%P\n'];
    const outside = this.#target.filter((flag) => flag !== '--pid');
    const text = execFileSync('nsenter', [...outside, ...find], { encoding: 'utf8' });
    return text.split('\n').filter((path) => path !== '' && !except.test(path));
  }

  /** Ends all that runs in there, and forgets all that was changed. */
  [Symbol.dispose](): void {
    process.kill(this.#pid, 'SIGKILL');
    rmSync(this.#folder, { recursive: true });
  }

  get #target(): string[] {
    return [`--target=${this.#pid}`, '--mount', '--net', '--pid'];
  }
}
