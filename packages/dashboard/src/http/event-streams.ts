// Server-sent events (WHATWG HTML, section 9.2): what is new in the mesh, to each page that is open.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { inUsersWords, printable } from '@nsm/output';
import type { LiveMesh } from '../mesh/live-mesh.js';
import type { Snapshot } from '../model.js';
import { EventLog } from './event-log.js';

/** Pages that may be open at the same time. */
const mostPages = 64;
/** Bytes that wait for a page that does not read, before its connection is ended: it comes back and goes on. */
const mostWaiting = 4 << 20;
/** Milliseconds between two words to a page of which there is no news: so that both sides notice when the other is gone. */
const wordMs = 15_000;
/** Milliseconds after which a page whose connection broke comes back. */
const comeBackMs = 1000;

/** JSON for people's eyes: in their words, and what a browser would obey, hide or reorder in what strangers named is spelled out. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'string' ? printable(inUsersWords(one)) : one,
  );
}

export class EventStreams implements Disposable {
  readonly #mesh: LiveMesh;
  readonly #allowed: Pick<Snapshot, 'allowChanges' | 'allowCapture'>;
  readonly #log = new EventLog();
  readonly #pages = new Set<ServerResponse>();
  readonly #words: NodeJS.Timeout;
  #listening: Disposable | undefined;
  /** Patches are noted while nobody looks, too: a page that comes back within minutes goes on. */
  readonly #noting: Disposable;

  constructor(mesh: LiveMesh, allowed: Pick<Snapshot, 'allowChanges' | 'allowCapture'>) {
    this.#mesh = mesh;
    this.#allowed = allowed;
    this.#noting = mesh.onPatch((patch) => {
      const data = jsonOf(patch);
      const id = this.#log.add(data);
      this.#tell(`id: ${id}\nevent: patch\ndata: ${data}\n\n`);
    });
    this.#words = setInterval(() => this.#tell(': still here\n\n'), wordMs);
  }

  snapshot(): Snapshot & { readonly id: string } {
    const { things, changes, troubles } = this.#mesh;
    return { id: this.#log.lastId, things, changes, troubles, ...this.#allowed };
  }

  /** @param after id of the last event that the page has, where it has one. */
  open(request: IncomingMessage, response: ServerResponse, after: string): void {
    if (this.#pages.size >= mostPages) {
      response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '10' });
      response.end(`${mostPages} pages are open, and no more are served\n`);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: ${comeBackMs}\n\n`);
    const missed = after === '' ? undefined : this.#log.after(after);
    if (missed)
      for (const { id, data } of missed) response.write(`id: ${id}\nevent: patch\ndata: ${data}\n\n`);
    else {
      const { id, ...snapshot } = this.snapshot();
      response.write(`id: ${id}\nevent: snapshot\ndata: ${jsonOf(snapshot)}\n\n`);
    }
    this.#pages.add(response);
    this.#listening ??= this.#mesh.watch((sample) =>
      this.#tell(`event: sample\ndata: ${JSON.stringify(sample)}\n\n`),
    );
    request.once('close', () => this.#close(response));
    response.once('error', () => this.#close(response));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#words);
    this.#noting[Symbol.dispose]();
    for (const page of this.#pages) {
      page.end();
      this.#close(page);
    }
  }

  #tell(text: string): void {
    for (const page of this.#pages) {
      if (page.writableLength > mostWaiting) page.destroy();
      else page.write(text);
    }
  }

  #close(page: ServerResponse): void {
    this.#pages.delete(page);
    if (this.#pages.size > 0) return;
    this.#listening?.[Symbol.dispose]();
    this.#listening = undefined;
  }
}
