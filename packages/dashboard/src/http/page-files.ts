// The files of the page, as the build has made and compressed them.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface PageFile {
  readonly type: string;
  /** Of its content, quoted. */
  readonly etag: string;
  /** Compressed by gzip. */
  readonly body: Buffer;
}

/** @returns by path. @throws Error where the page was not built. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  const html = read(new URL('./page.html.gz', import.meta.url), 'text/html; charset=utf-8');
  return new Map([
    ['/', html],
    ['/page.js', read(new URL('./page.js.gz', import.meta.url), 'text/javascript; charset=utf-8')],
    ['/page.css', read(new URL('./page.css.gz', import.meta.url), 'text/css; charset=utf-8')],
    ['/icon.svg', read(new URL('./icon.svg.gz', import.meta.url), 'image/svg+xml')],
  ]);
}

/** Every view, and each thing in it, is the page's own to find. */
export function fileOf(path: string): string {
  return /^\/(connections|endpoints|nodes|changes)(\/|$)/.test(path) ? '/' : path;
}

function read(place: URL, type: string): PageFile {
  const body = readFileSync(place);
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type, etag, body };
}
