// An etcd that asks who comes: TLS, certificates, users. What it refuses is told with what to do.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema } from '@nsm/api';
import { type EtcdOptions, openRegistry, type Registry } from '@nsm/registry';
import { EtcdProcess, requireEtcd, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const dir = mkdtempSync(join(tmpdir(), 'nsm-etcd-access-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string): string => join(dir, name);

/** PEM files NAME.pem and NAME.key: of an authority, or signed by `ca`. */
const certificate = (name: string, ...more: string[]): void => {
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    file(`${name}.key`),
  ];
  const to = ['-out', file(`${name}.pem`), '-subj', `/CN=${name}`, '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...key, ...to, ...more], { stdio: 'ignore' });
};

const opened: Registry[] = [];
afterEach(async () => {
  for (const registry of opened.splice(0)) await registry.stop();
});

/** A started registry, and all that it warned of. */
const open = async (
  url: string,
  etcd: EtcdOptions = {},
): Promise<{ readonly registry: Registry; readonly warnings: string[] }> => {
  const warnings: string[] = [];
  const warn = (fields: { err?: Error }, message: string) =>
    warnings.push(`${message} ${fields.err?.message}`);
  const logger = { info: () => undefined, warn, error: warn };
  const registry = await openRegistry(url, { stateDir: '/nowhere', etcd, logger });
  opened.push(registry);
  await registry.start();
  return { registry, warnings };
};

const works = async (registry: Registry): Promise<void> => {
  await registry.registerEndpoint(
    create(NetworkServiceEndpointSchema, {
      networkServiceName: 'firewall',
      networkServiceHost: 'node-a',
      nseProviderName: 'fw',
    }),
  );
  await waitFor(() => registry.synced && registry.endpointsOf('firewall').length === 1);
};

const refuses = async (url: string, etcd: EtcdOptions, advice: RegExp): Promise<void> => {
  const { registry, warnings } = await open(url, etcd);
  await waitFor(() => warnings.some((warning) => advice.test(warning)), { what: `${advice} in ${warnings}` });
  expect(registry.synced).toBe(false);
};

describe.skipIf(!requireEtcd('etcd with TLS'))('an etcd with TLS', () => {
  let etcd: EtcdProcess;
  let plain: EtcdProcess;
  beforeAll(async () => {
    certificate('ca');
    const signed = ['-CA', file('ca.pem'), '-CAkey', file('ca.key')];
    certificate('etcd', ...signed, '-addext', 'subjectAltName=IP:127.0.0.1');
    certificate('nsm', ...signed);
    const own = ['--cert-file', file('etcd.pem'), '--key-file', file('etcd.key')];
    const flags = [...own, '--client-cert-auth', '--trusted-ca-file', file('ca.pem')];
    etcd = await EtcdProcess.alone({ scheme: 'https', flags });
    plain = await EtcdProcess.alone();
  });
  afterAll(async () => {
    await etcd?.stop();
    await plain?.stop();
  });
  const mine = { ca: file('ca.pem'), cert: file('nsm.pem'), key: file('nsm.key') };

  it('takes a certificate that its authority has signed', async () => {
    for (const scheme of ['etcds', 'etcd']) {
      const { registry, warnings } = await open(`${scheme}://${etcd.member}/${scheme}`, mine);
      await works(registry);
      expect(warnings).toEqual([]);
    }
  });

  it('is told apart from one without', async () => {
    await refuses(`etcd://${etcd.member}`, {}, /speaks TLS: write etcds:\/\/.*--etcd-ca/);
    // What is told once may be the reset of a connection whose answer was lost with it.
    await refuses(`etcds://${plain.member}`, {}, /does not speak TLS, .*: write etcd:\/\/|ECONNRESET/);
  });

  it('says which certificate is missing', async () => {
    await refuses(`etcds://${etcd.member}`, {}, /authority that is not believed here: use --etcd-ca/);
    await refuses(`etcds://${etcd.member}`, { ca: mine.ca }, /wants a certificate .*: use --etcd-cert/);
  });

  it('gets no files that are not there, or half of them', async () => {
    const url = `etcds://${etcd.member}`;
    const { cert } = mine;
    await expect(open(url, { cert })).rejects.toThrow(/both --etcd-cert and --etcd-key/);
    await expect(open(url, { ca: '/no/such/file' })).rejects.toThrow(/ENOENT.*\/no\/such\/file/);
    await expect(open(url, { ca: mine.key })).rejects.toMatchObject({ kind: 'invalid' });
  });
});

describe.skipIf(!requireEtcd('etcd with users'))('an etcd with users', () => {
  let etcd: EtcdProcess;
  beforeAll(async () => {
    etcd = await EtcdProcess.alone({ flags: ['--bcrypt-cost', '4'] });
    await etcd.ctl('user', 'add', 'root:root');
    await etcd.ctl('user', 'grant-role', 'root', 'root').catch(() => undefined);
    await etcd.ctl('role', 'add', 'mesh');
    await etcd.ctl('role', 'grant-permission', 'mesh', 'readwrite', '/mesh/', '--prefix=true');
    await etcd.ctl('user', 'add', 'nsm:secret');
    await etcd.ctl('user', 'grant-role', 'nsm', 'mesh');
    await etcd.ctl('auth', 'enable');
  });
  afterAll(async () => {
    await etcd?.stop();
  });
  const nsm = { user: 'nsm', password: 'secret' };

  it('takes one with its password, and gives another token when it has forgotten the first', async () => {
    const { registry } = await open(`etcd://${etcd.member}/mesh`, nsm);
    await registry.registerManager({ name: 'node-a', address: '10.0.0.1:5001' }, 1000);
    await works(registry);
    // The tokens are in its memory alone.
    await etcd.kill();
    await etcd.start();
    await registry.registerManager({ name: 'node-b', address: '10.0.0.2:5001' }, 1000);
    await waitFor(() => [...registry.managers().values()].filter(({ alive }) => alive).length === 2);
  });

  it('says who is missing, and what the user may not', async () => {
    const url = `etcd://${etcd.member}/mesh`;
    await refuses(url, {}, /wants a user: use --etcd-user NAME, with the password in NSM_ETCD_PASSWORD/);
    await refuses(url, { ...nsm, password: 'wrong' }, /does not know user nsm with this password/);
    await refuses(
      `etcd://${etcd.member}/other`,
      nsm,
      /does not let user nsm .*grant-permission ROLE readwrite/,
    );
    await expect(open(url, { user: 'nsm' })).rejects.toThrow(/needs a password.*NSM_ETCD_PASSWORD/);
    await expect(open(`etcd://nsm:secret@${etcd.member}`)).rejects.toThrow(/--etcd-user/);
  });
});
