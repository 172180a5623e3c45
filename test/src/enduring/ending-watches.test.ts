// A client of the Kubernetes API that ends at the moment when something comes: Node.js 20 ended the process by it (SIGABRT).
import { execFile } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Authority, defaultDomain, keyToPem, newKey, toPem } from '@nsm/pki';
import { expect, it } from 'vitest';

const program = fileURLToPath(new URL('./ending-watches-main.js', import.meta.url));
const change = `${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'x'.repeat(3000) } } })}\n`;

it('goes on when clients end in the middle of their watches', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-api-'));
  const key = newKey();
  const identity = { kind: 'manager', name: 'api', domain: defaultDomain } as const;
  const certificate = Authority.open(folder).issue(createPublicKey(key), identity, 86_400_000);
  const server = createSecureServer({ key: keyToPem(key), cert: toPem([certificate]) });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session.on('error', () => undefined).on('close', () => sessions.delete(session)));
  });
  server.on('stream', (stream, { ':path': path }) => {
    stream.on('error', () => undefined).resume();
    stream.respond({ ':status': 200 });
    if (!path?.includes('watch=true')) {
      const answer = JSON.stringify({ metadata: { name: 'a' }, padding: 'y'.repeat(20_000) });
      setTimeout(() => stream.end(answer), Math.random() * 30);
      return;
    }
    let left = 60;
    const timer = setInterval(() => (left-- > 0 ? stream.write(change) : stream.end()), 3);
    stream.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { stderr } = await promisify(execFile)(process.execPath, [program, url, '2000']);
    expect(stderr).toBe('');
  } finally {
    for (const session of sessions) session.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  }
});
