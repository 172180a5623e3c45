// The API server refuses the policy objects that managers would refuse, at once and with words; conditions in CEL alone are left to them.
import type { JsonObject } from '@bufbuild/protobuf';
import { KubeClient, loadKubeConfig, namespaces } from '@nsm/kube-client';
import { parsePolicy } from '@nsm/policy/parse';
import { policyObjects } from '@nsm/registry/mesh-objects';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { composePolicy } from './compose-policy.js';

const home = `nsm-test-policy-${process.pid}`;
let kube: KubeClient;

beforeAll(async () => {
  kube = new KubeClient(await loadKubeConfig());
  await kube.apply(namespaces, { metadata: { name: home } });
});
afterAll(async () => {
  await kube.delete(namespaces, { name: home });
  kube.stop();
});

const write = async (spec: JsonObject): Promise<unknown> => {
  const metadata = { name: 'tried', namespace: home };
  try {
    return await kube.create(policyObjects, { metadata, spec });
  } finally {
    await kube.delete(policyObjects, metadata);
  }
};
const asManagersDo = (spec: object): unknown =>
  parsePolicy(composePolicy([{ metadata: { name: 'tried' }, spec }], []) ?? '', 'tried');
const rules = (fields: JsonObject): JsonObject => ({ rules: [{ name: 'a', effect: 'allow', ...fields }] });
const denying = (fields: JsonObject): JsonObject => rules({ effect: 'deny', ...fields });

const good: readonly JsonObject[] = [
  {},
  { namespaces: [{ netns: ['red-*'], inode: [4026532208, '1-9'], labels: { 'team/a': 'x' } }] },
  { reserve: { gateway: [{ uid: ['1000-1999', 0], provider: ['team-a/gw-?'] }] } },
  rules({
    subjects: [{ kubernetes: { namespace: ['team-a'], service_account: ['web'], labels: { tier: 'f*' } } }],
  }),
  rules({ actions: ['request'], provided_by: [{ manager: ['n1'], domain: ['nsm'] }] }),
  rules({ prefixes: ['10.60.0.0/16', 'fd00:60::/64', '192.0.2.1'], routes: ['0.0.0.0/0', '::/0'] }),
  rules({ parameters: ['source_check=off'], limits: { connections: 0, callBytes: 2 ** 40 } }),
  denying({ services: ['vpn'], providers: ['*/x'], interfaces: ['mem', 'vhost'], pools: ['p'] }),
  rules({ when: 'subject.uid >= 1000' }),
];
it.each(good.map((spec) => [JSON.stringify(spec), spec]))('takes %s', async (_, spec) => {
  asManagersDo(spec as JsonObject);
  await write(spec as JsonObject);
});

const bad: readonly (readonly [JsonObject, RegExp])[] = [
  [{ namespaces: [{ labels: { a: 'b' } }] }, /name them by netns or inode/],
  [{ namespaces: [{ netns: ['red'] }] }, /labels: Required/],
  [{ namespaces: [{ netns: ['red'], labels: { 'a b': 'x' } }] }, /the key of a label must be/],
  [{ reserve: { 'a b': [{ uid: [0] }] } }, /a network service is called by/],
  [rules({ name: 'a b' }), /name.*should match/],
  [rules({ effect: 'alow' }), /Unsupported value: "alow"/],
  [rules({ subjects: [] }), /should have at least 1 items/],
  [rules({ subjects: [{ netns: ['a b'] }] }), /netns\[0\].*should match/],
  [rules({ subjects: [{ uid: ['1000-'] }] }), /uid\[0\].*should match/],
  [rules({ subjects: [{ uid: [-1] }] }), /uid\[0\].*greater than or equal to 0/],
  [rules({ subjects: [{ labels: { a: 'b c' } }] }), /labels\.a.*should match/],
  [rules({ subjects: [{ kubernetes: { labels: { 'a b': 'c' } } }] }), /the key of a label must be/],
  [rules({ provided_by: [{ uid: [0] }] }), /provided_by is about requests/],
  [rules({ actions: ['provide', 'request'], provided_by: [{ uid: [0] }] }), /provided_by is about requests/],
  [rules({ interfaces: ['kernal'] }), /Unsupported value: "kernal"/],
  [rules({ prefixes: ['10.0.0/8'] }), /a prefix must be like/],
  [rules({ routes: ['fd00::/129'] }), /a prefix must be like/],
  [rules({ limits: { connections: -1 } }), /connections.*greater than or equal to 0/],
  ...[
    { prefixes: ['10.0.0.0/8'] },
    { routes: ['::/0'] },
    { limits: { streams: 1 } },
    { parameters: ['source_check=off'] },
  ].map((fields) => [denying(fields), /a rule that denies gives nothing/] as const),
];
it.each(bad.map(([spec, words]) => [JSON.stringify(spec), spec, words]))(
  'refuses %s',
  async (_, spec, words) => {
    expect(() => asManagersDo(spec as JsonObject)).toThrow();
    await expect(write(spec as JsonObject)).rejects.toThrow(words as RegExp);
  },
);
