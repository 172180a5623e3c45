// Where checks read their facts: the command line, the manager of this node, and the process that runs it.
import { join } from 'node:path';
import type { admin } from '@nsm/api';
import { withAdmin } from '../../managers/admin-client.js';
import { askStatus } from '../status/ask-status.js';
import { type Finding, findingsOf } from '../status/findings.js';
import { type StatusView, statusView } from '../status/status-view.js';
import type { CheckFlags } from './flags.js';
import { listenerOf } from './listener-of.js';

/** What the manager of this node says. */
export interface ManagerAnswers {
  readonly status: admin.ManagerStatus;
  readonly view: StatusView;
  readonly findings: readonly Finding[];
}

export class CheckContext {
  readonly flags: CheckFlags;
  /** Says what is being done, for people who wait. */
  readonly progress: (text: string) => void;
  #answers: Promise<ManagerAnswers> | undefined;
  #daemon: Promise<number | undefined> | undefined;
  #peers: Promise<readonly admin.PeerCheck[]> | undefined;

  constructor(flags: CheckFlags, progress: (text: string) => void) {
    this.flags = flags;
    this.progress = progress;
  }

  /** Asked once. @throws NsmError `unavailable` when no manager answers. */
  manager(): Promise<ManagerAnswers> {
    this.#answers ??= this.#ask();
    return this.#answers;
  }

  /** As `manager`; undefined when none answers. */
  async managerIfAny(): Promise<ManagerAnswers | undefined> {
    if (this.flags.pre) return undefined;
    return await this.manager().catch(() => undefined);
  }

  /** How the manager reaches each other one. Asked once. */
  peers(): Promise<readonly admin.PeerCheck[]> {
    this.#peers ??= this.#askPeers();
    return this.#peers;
  }

  /** Process id of the daemon that programs this node's kernel: the forwarder, or a manager with its own; undefined: none is here. */
  daemon(): Promise<number | undefined> {
    this.#daemon ??= this.#findDaemon();
    return this.#daemon;
  }

  async #ask(): Promise<ManagerAnswers> {
    return await withAdmin(this.flags.runDir, async (client) => {
      const replies = await askStatus(client);
      const view = statusView(replies);
      return { status: replies.status, view, findings: findingsOf(view, Date.now(), this.flags.runDir) };
    });
  }

  async #askPeers(): Promise<readonly admin.PeerCheck[]> {
    this.progress('calling the other managers');
    return await withAdmin(this.flags.runDir, async (client) => {
      const checks: admin.PeerCheck[] = [];
      for await (const check of client.checkPeers({})) {
        checks.push(check);
        this.progress(`manager ${check.manager} ${check.error === '' ? 'answers' : 'does not answer'}`);
      }
      return checks.toSorted((one, other) => one.manager.localeCompare(other.manager));
    });
  }

  async #findDaemon(): Promise<number | undefined> {
    if (this.flags.pre) return undefined;
    const forwarder = await listenerOf(join(this.flags.runDir, 'forwarder.sock'));
    return forwarder ?? (await listenerOf(join(this.flags.runDir, 'admin.sock')));
  }
}
