// The page over HTTPS: who shows the certificate of an operator of the mesh needs no token, and nobody else's certificate is good for anything.
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Authority, issueFiles } from '@nsm/pki';
import type { Running } from '@nsm/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serveMesh } from '../dashboard/served.js';
import { variedMesh } from '../dashboard/told-meshes.js';
import { spawnNsm } from '../mesh/nsm-command.js';

const folder = mkdtempSync(join(tmpdir(), 'nsm-https-'));
const pkiDir = join(folder, 'pki');
const token = 'a-token-of-the-tests';
const hourMs = 3_600_000;
let dashboard: Running;
let port = 0;

beforeAll(async () => {
  Authority.open(pkiDir);
  dashboard = await spawnNsm(undefined, '"url"', [
    ...['dashboard', '--https', '--listen', '127.0.0.1:0', '--run-dir', join(folder, 'run'), '--json'],
    ...['--pki-dir', pkiDir, '--token', token],
  ]);
  port = Number(/"port":(\d+)/.exec(dashboard.output())?.[1]);
});
afterAll(async () => {
  await dashboard?.stop();
  rmSync(folder, { recursive: true });
});

/** @param shown folder of a certificate, or undefined. */
const statusOf = (shown: string | undefined, headers: Record<string, string> = {}): Promise<number> =>
  new Promise((resolve, reject) => {
    const files = shown && { cert: readFileSync(`${shown}/tls.crt`), key: readFileSync(`${shown}/tls.key`) };
    const to = {
      host: '127.0.0.1',
      port,
      path: '/api/mesh',
      headers,
      rejectUnauthorized: false,
      agent: false,
    };
    request({ ...to, ...(files ? files : {}) }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
const issued = (authority: Authority, kind: 'operator' | 'manager', lifeMs: number = hourMs): string => {
  const to = mkdtempSync(join(folder, 'issued-'));
  issueFiles(authority, { kind, name: 'alice' }, lifeMs, to);
  return to;
};

it('lets an operator of the mesh look', async () => {
  expect(await statusOf(issued(Authority.open(pkiDir), 'operator'))).toBe(200);
});

it('shows browsers a certificate that was renewed, from the next connection on', async () => {
  const context = () => {
    const place = issued(Authority.open(pkiDir), 'operator');
    const [cert, key] = ['tls.crt', 'tls.key'].map((name) => readFileSync(join(place, name), 'utf8'));
    return { cert: cert!, key: key! };
  };
  const certificate = { current: context(), isOperator: () => true };
  await using served = await serveMesh(variedMesh(), { tls: certificate });
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(
        { port: served.server.port, host: '127.0.0.1', rejectUnauthorized: false },
        () => {
          resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
          socket.destroy();
        },
      ).on('error', reject);
    });
  const first = await shown();
  expect(await shown()).toBe(first);
  certificate.current = context();
  expect(await shown()).toBe(new X509Certificate(certificate.current.cert).fingerprint256);
});

it.each([
  ['no certificate', () => undefined],
  ['the certificate of a manager', () => issued(Authority.open(pkiDir), 'manager')],
  ['that of an operator of another mesh', () => issued(Authority.inMemory(), 'operator')],
  ['one that has expired', () => issued(Authority.open(pkiDir), 'operator', -1000)],
])('wants the token with %s', async (_, shown) => {
  const folder = shown();
  expect(await statusOf(folder)).toBe(401);
  expect(await statusOf(folder, { authorization: `Bearer ${token}` })).toBe(200);
});
