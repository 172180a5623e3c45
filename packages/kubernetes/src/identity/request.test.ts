// Who gets a certificate, and for which name.
import type { CertificateSigningRequest } from '@nsm/kube-client';
import { keyOfRequest, makeRequest, newKey } from '@nsm/pki';
import { expect, it } from 'vitest';
import { fromRequestPem, judge, signerOf, toRequestPem, usages } from './request.js';

const account = 'system:serviceaccount:nsm-system:nsm-manager';
const nodeOfToken = 'authentication.kubernetes.io/node-name';

const request = (more: Partial<CertificateSigningRequest['spec']> = {}): CertificateSigningRequest => ({
  metadata: { name: 'one' },
  spec: {
    request: '',
    signerName: signerOf('nsm-system'),
    usages,
    username: account,
    extra: { [nodeOfToken]: ['node-a'] },
    ...more,
  },
});

it('gives a manager the name of its node', () => {
  expect(judge(request(), account)).toEqual({ allowed: true, name: 'node-a' });
});

it.each([
  ['another account', { username: 'system:serviceaccount:nsm-system:default' }, /default asks: only/],
  ['an account of the same name elsewhere', { username: 'system:serviceaccount:other:nsm-manager' }, /only/],
  ['nobody', { username: '' }, /nobody asks/],
  ['a token without a node', { extra: {} }, /not bound to a pod/],
  ['two nodes', { extra: { [nodeOfToken]: ['node-a', 'node-b'] } }, /not bound/],
  ['an authority', { usages: [...usages, 'cert sign'] }, /usage cert sign/],
])('refuses %s', (_, more, reason) => {
  expect(judge(request(more), account)).toEqual({ allowed: false, reason: expect.stringMatching(reason) });
});

it('carries requests as PEM', () => {
  const key = newKey();
  const pem = toRequestPem(makeRequest(key));
  expect(pem).toMatch(
    /^-----BEGIN CERTIFICATE REQUEST-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE REQUEST-----\n$/,
  );
  expect(keyOfRequest(fromRequestPem(pem)).equals(keyOfRequest(makeRequest(key)))).toBe(true);
  expect(fromRequestPem('nothing')).toHaveLength(0);
});
