// The shape of a policy file: every key, its default, and the words for what is accepted.
import { interfaceWords } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink/ip-prefix';
import { accepted, isScalar, list, named, strict, text, written } from '@nsm/yaml-file';
import { z } from 'zod';
import { actions } from './decision.js';
import { limits } from './limits.js';
import type { PolicyFile, Range } from './policy-types.js';

const oneOrMore = <Value extends z.ZodType>(what: string, value: Value) =>
  z.preprocess(
    (given) => (isScalar(given) ? [given] : given),
    z.array(value, accepted(`${what}, or a list of them`)).min(1, accepted('at least one')),
  );

const pattern = written(
  text('a name, in which * and ? stand for others').regex(
    /^[A-Za-z0-9._:/*?-]{1,253}$/,
    accepted('1 to 253 of A-Z, a-z, 0-9, . _ - : / and the wildcards * and ?'),
  ),
);
const patterns = oneOrMore('a name or pattern', pattern).optional();

const rangeText = /^(0|[1-9][0-9]{0,9})(?:-(0|[1-9][0-9]{0,9}))?$/;
const range = written(
  text('a whole number, or a range such as 1000-1999')
    .regex(rangeText, accepted('a whole number, or a range such as 1000-1999'))
    .transform((value): Range => {
      const [, least = '', most = least] = rangeText.exec(value) ?? [];
      return { least: Number(least), most: Number(most) };
    })
    .refine(({ least, most }) => least <= most, accepted('a range whose first number is the smaller')),
);
const ranges = oneOrMore('a whole number or range', range).optional();

const labelKey = text('the key of a label').regex(
  /^[A-Za-z0-9._/-]{1,253}$/,
  accepted('1 to 253 of A-Z, a-z, 0-9, . _ / and -'),
);
const labelPatterns = named('labels', labelKey, pattern).optional();

const selectorFields = {
  netns: patterns,
  inode: ranges,
  uid: ranges,
  gid: ranges,
  labels: labelPatterns,
  kubernetes: strict('the pod', {
    namespace: patterns,
    service_account: patterns,
    labels: labelPatterns,
  }).optional(),
  manager: patterns,
  domain: patterns,
};
const selectors = list('subjects', strict('a subject', selectorFields))
  .min(1, accepted('at least one'))
  .optional();

const prefixes = oneOrMore(
  'a prefix of IP',
  written(
    text('a prefix of IP, such as 10.60.0.0/16')
      .refine(
        (value) => IpPrefix.parse(value) !== undefined,
        accepted('a prefix of IP, such as 10.60.0.0/16'),
      )
      .transform((value) => String(IpPrefix.parse(value)?.network)),
  ),
).optional();

const types = Object.values(interfaceWords).filter((name) => name !== 'default');
const count = z
  .int(accepted('a whole number'))
  .min(0, accepted('a whole number from 0 to 2^40'))
  .max(2 ** 40, accepted('a whole number from 0 to 2^40'));

const rule = strict('a rule', {
  name: written(
    text('a name of the rule').regex(
      /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
      accepted('1 to 63 of A-Z, a-z, 0-9, . _ and -'),
    ),
  ),
  effect: z.enum(['allow', 'deny'], accepted('allow or deny')),
  actions: oneOrMore('provide or request', z.enum(actions, accepted('provide or request'))).default([
    ...actions,
  ]),
  subjects: selectors,
  services: patterns,
  providers: patterns,
  provided_by: selectors,
  interfaces: oneOrMore('a type of interface', z.enum(types, accepted(types.join(', ')))).optional(),
  pools: patterns,
  parameters: oneOrMore(
    'an interface parameter',
    z.enum(['source_check=off'], accepted('source_check=off')),
  ).default([]),
  prefixes,
  routes: prefixes,
  limits: strict('limits', Object.fromEntries(limits.map((name) => [name, count.optional()]))).default({}),
  when: text('a condition in CEL, such as subject.uid >= 1000').optional(),
});

export const policySchema: z.ZodType<PolicyFile> = strict('a policy', {
  namespaces: list(
    'network namespaces with labels',
    strict('network namespaces with labels', {
      netns: patterns,
      inode: ranges,
      labels: named(
        'labels',
        labelKey,
        written(
          text('text').regex(/^[A-Za-z0-9._-]{0,63}$/, accepted('up to 63 of A-Z, a-z, 0-9, . _ and -')),
        ),
      ),
    }),
  ).default([]),
  reserve: named(
    'network services',
    text('the name of a network service').regex(
      /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/,
      accepted('the name of a network service'),
    ),
    list('who may provide it', strict('who may provide it', { ...selectorFields, provider: patterns })),
  ).default({}),
  rules: list('rules', rule).default([]),
});
