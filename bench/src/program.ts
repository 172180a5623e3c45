// A Node.js program started by the benchmark: its log in a file, a channel to ask it things, and an end.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.js';
import type { Place } from './pod.js';

export interface ProgramOptions {
  readonly pod: Place;
  /** For its log, and for people. */
  readonly name: string;
  readonly folder: string;
  readonly nodeFlags?: readonly string[];
  readonly script: string;
  readonly args: readonly string[];
}

export class Program {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #log: string;
  #stopping = false;

  constructor({ pod, name, folder, nodeFlags = [], script, args }: ProgramOptions, cleanup: Cleanup) {
    this.name = name;
    this.#log = join(folder, `${name}.log`);
    const log = openSync(this.#log, 'a');
    try {
      this.#child = pod.spawn(process.execPath, [...nodeFlags, script, ...args], {
        stdio: ['ignore', log, log, 'ipc'],
      });
    } finally {
      closeSync(log);
    }
    cleanup.add(() => this.#child.kill('SIGKILL'));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Everything it has printed. */
  log(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** Resolves when it says so; rejects when it ends instead. */
  async ready(): Promise<void> {
    await this.#message();
  }

  /** Sends a question and waits for the next message. Rejects when the program ends instead. */
  async ask<T>(question: object): Promise<T> {
    const answer = this.#message<T>();
    this.#child.send(question);
    return await answer;
  }

  async #message<T>(): Promise<T> {
    const abort = new AbortController();
    const ended = once(this.#child, 'exit', { signal: abort.signal }).then(() => {
      throw new Error(this.obituary());
    });
    ended.catch(() => undefined);
    const message = once(this.#child, 'message', { signal: abort.signal }) as Promise<[T]>;
    message.catch(() => undefined);
    try {
      return (await Promise.race([message, ended]))[0];
    } finally {
      abort.abort();
    }
  }

  /** Ends by SIGTERM, so that it can write its profile; after 5 s by SIGKILL. */
  async stop(): Promise<void> {
    if (this.#stopping || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#stopping = true;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(timer);
  }

  /** Why it died, when nobody asked it to: the last lines of its log. */
  obituary(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    if (this.#stopping || (exitCode === null && signalCode === null)) return undefined;
    const lines = this.log().trimEnd().split('\n').slice(-5);
    return `${this.name} ended with ${exitCode ?? signalCode}:\n  ${lines.join('\n  ')}`;
  }
}
