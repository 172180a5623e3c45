// What the server answers: files, JSON, texts, and failures.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { NsmError } from '@nsm/api';
import { jsonOf } from './event-streams.js';
import type { PageFile } from './page-files.js';

const compress = promisify(gzip);

export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  { type, etag, body }: PageFile,
): void {
  const headers = { 'content-type': type, etag, 'cache-control': 'no-cache', vary: 'accept-encoding' };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const packed = takesGzip(request);
  const sent = packed ? body : gunzipSync(body);
  const encoding = packed ? { 'content-encoding': 'gzip' } : {};
  response.writeHead(200, { ...headers, ...encoding, 'content-length': sent.length });
  response.end(request.method === 'HEAD' ? undefined : sent);
}

export async function sendJson(
  request: IncomingMessage | undefined,
  response: ServerResponse,
  value: unknown,
): Promise<void> {
  const text = Buffer.from(jsonOf(value));
  const packed = request !== undefined && text.length > 1024 && takesGzip(request);
  const sent = packed ? await compress(text) : text;
  response.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': sent.length,
    ...(packed ? { 'content-encoding': 'gzip' } : {}),
  });
  response.end(request?.method === 'HEAD' ? undefined : sent);
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${text}\n`);
}

export function fail(response: ServerResponse, thrown: unknown): void {
  const error = NsmError.from(thrown);
  if (response.headersSent) response.destroy();
  else sendText(response, statuses[error.kind] ?? 500, error.toAdmissionError());
}

const statuses: Readonly<Record<string, number>> = {
  'not-found': 404,
  invalid: 400,
  conflict: 409,
  unavailable: 503,
  overload: 503,
  privilege: 403,
};

function takesGzip({ headers }: IncomingMessage): boolean {
  return /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));
}
