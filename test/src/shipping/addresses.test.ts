// The manifests are for clusters of IPv4, of IPv6, and of both: what listens in a pod has the pod's own address, however that is written.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const manifests = readFileSync(new URL('../../../deploy/kubernetes/nsm.yaml', import.meta.url), 'utf8');

it('every address that a pod listens at is its own, or its own loopback, in brackets that IPv6 needs', () => {
  const addresses = [...manifests.matchAll(/name: NSM_(?:\w+_)?(?:LISTEN|ADVERTISE), value: "(.*):\d+"/g)];
  expect([...new Set(addresses.map(([, host]) => host))].toSorted()).toEqual([
    '127.0.0.1',
    '[$(HOST_IP)]',
    '[$(POD_IP)]',
  ]);
  expect(manifests).not.toContain('0.0.0.0');
});
