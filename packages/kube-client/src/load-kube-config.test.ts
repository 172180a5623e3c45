// Where the API server is: kubeconfig files as kubectl reads them, with words for what cannot be used.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadKubeConfig } from './load-kube-config.js';

const folder = mkdtempSync(join(tmpdir(), 'nsm-kubeconfig-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function write(text: string): string {
  const path = join(folder, `config-${++files}`);
  writeFileSync(path, text);
  return path;
}

const cluster = (more = ''): string => `
current-context: c
contexts: [{ name: c, context: { cluster: k, user: u, namespace: mesh } }]
clusters: [{ name: k, cluster: { server: "https://10.0.0.1:6443"${more} } }]
`;
const load = (...paths: readonly string[]) => loadKubeConfig({ KUBECONFIG: paths.join(delimiter) });

describe('kubeconfig files', () => {
  it('give server, authority, namespace and credentials; paths are relative to the file', async () => {
    writeFileSync(join(folder, 'token'), 'from-file\n');
    writeFileSync(join(folder, 'ca.pem'), 'PEM');
    const text = `${cluster(', certificate-authority: ca.pem, tls-server-name: api')}users: [{ name: u, user: { tokenFile: token } }]`;
    const config = await load(write(text));
    expect(config).toMatchObject({
      namespace: 'mesh',
      server: { url: 'https://10.0.0.1:6443', serverName: 'api' },
    });
    expect(config.server.ca?.()).toBe('PEM');
    expect(await config.credentials.token?.()).toBe('from-file');
    // Kept for a while, and read anew when the server refuses it.
    writeFileSync(join(folder, 'token'), 'renewed');
    expect(await config.credentials.token?.()).toBe('from-file');
    config.credentials.forget?.();
    expect(await config.credentials.token?.()).toBe('renewed');
  });

  it('are put together, the first word counting', async () => {
    const config = await load(
      write('users: [{ name: u, user: { token: first } }]'),
      write(`${cluster()}users: [{ name: u, user: { token: second } }]`),
    );
    expect(await config.credentials.token?.()).toBe('first');
  });

  it('run a program for credentials, and say what it said when it fails', async () => {
    const credential = JSON.stringify({ status: { token: 'of-program' } });
    const exec = (script: string): string =>
      `${cluster()}users: [{ name: u, user: { exec: { apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, ${JSON.stringify(script)}], installHint: install it } } }]`;
    const config = await load(write(exec(`echo '${credential}'`)));
    expect(await config.credentials.token?.()).toBe('of-program');
    const failing = await load(write(exec('exit 3')));
    await expect(failing.credentials.token?.()).rejects.toMatchObject({
      kind: 'untrusted',
      message: expect.stringContaining('install it'),
    });
  });

  it.each([
    ['no context', 'clusters: []', /there is no context ""/],
    [
      'no server',
      'current-context: c\ncontexts: [{ name: c, context: { cluster: k } }]\nclusters: [{ name: k, cluster: {} }]',
      /is no URL/,
    ],
    [
      'a proxy',
      `${cluster(', proxy-url: "http://p"')}users: [{ name: u, user: {} }]`,
      /proxy-url is not supported/,
    ],
    [
      'a password',
      `${cluster()}users: [{ name: u, user: { username: a } }]`,
      /use exec, a token or a certificate/,
    ],
    ['no YAML', '{', /kubeconfig /],
  ])('are refused: %s', async (_, text, message) => {
    await expect(load(write(text))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(message),
    });
  });

  it('are missing, which is said with what to do', async () => {
    await expect(loadKubeConfig({ HOME: folder })).rejects.toThrow('set KUBECONFIG');
  });
});
