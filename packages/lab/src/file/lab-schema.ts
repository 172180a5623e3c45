// The shape of a lab file: every key, its default, and the words for what is accepted.
import { IpPrefix } from '@nsm/netlink/ip-prefix';
import { accepted, isScalar, list, named, orQuoted, strict, text, written } from '@nsm/yaml-file';
import { z } from 'zod';
import type { LabFile } from './lab-types.js';
import { Subnet } from './subnet.js';

const name = (what: string, pattern: RegExp, longest: number) =>
  text(what).regex(pattern, accepted(what)).max(longest, accepted(what));

/** A place for true or false, in each spelling of YAML's core schema. */
const truth = <Value extends z.ZodType>(schema: Value) =>
  z.preprocess(
    (value) =>
      value === 'True' || value === 'TRUE' ? true : value === 'False' || value === 'FALSE' ? false : value,
    schema,
  );

const lowerCase = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
// A member's name becomes part of a folder, a namespace and a socket path, which may have 107 bytes (unix(7)).
const memberName = name('1 to 24 of a-z, 0-9 and -, not at an end', lowerCase, 24);
// An interface in each linked pod carries the name, and Linux allows 15 bytes (IFNAMSIZ).
const outsideName = name('1 to 15 of a-z, 0-9 and -, not at an end', lowerCase, 15);
const deviceName = name('1 to 15 of a-z, 0-9 and -, not at an end', lowerCase, 15);
const serviceName = name(
  '1 to 253 of A-Z, a-z, 0-9, . _ and -',
  /^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$/,
  253,
);
/** What `nsm endpoint` runs; a test of the command line holds the two together. */
export const endpointKinds: readonly string[] = ['icmp-responder', 'gateway', 'bridge'];
const kind = written(text(`a kind of endpoint: ${endpointKinds.join(', ')}`));

const prefix = written(
  text('an IPv4 or IPv6 prefix, such as 172.30.0.0/24 or fd00:30::/64')
    .refine(
      (value) => Subnet.parse(value) !== undefined,
      accepted('an IPv4 or IPv6 prefix without host bits, such as 172.30.0.0/24 or fd00:30::/64'),
    )
    .transform((value) => String(Subnet.parse(value))),
);
/** Written as the kernel writes it, so that the same address is the same text. */
const asAddress = (value: string): string => IpPrefix.parseAddress(value)?.address ?? value;
const prefixes = z.preprocess(
  (value) => (isScalar(value) ? [value] : value),
  z.array(prefix, accepted('a prefix, or a list of prefixes')).min(1, accepted('at least one prefix')),
);

const flagValue = truth(
  z.union([z.boolean(), written(z.string())], orQuoted('text, a number, true or false')),
);
const flag = z.union(
  [flagValue, z.array(flagValue)],
  orQuoted('text, a number, true, false, or a list of these for a flag given several times'),
);
const flagName = z.string().regex(/^[a-z][-a-z0-9]*$/, accepted('the name of a flag without its dashes'));
const options = z
  .record(flagName, flag, accepted('flags of the command without their dashes, such as `log-level: debug`'))
  .default({});
const environment = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, accepted('the name of a variable')),
    written(text('text')),
    accepted('environment variables, such as `NSM_LOG_LEVEL: debug`'),
  )
  .default({});
const labels = z
  .record(
    z.string().regex(/^[A-Za-z0-9._/-]{1,253}$/, accepted('1 to 253 of A-Z, a-z, 0-9, . _ / and -')),
    written(name('up to 63 of A-Z, a-z, 0-9, . _ and -', /^[A-Za-z0-9._-]*$/, 63)),
    accepted('key: value pairs'),
  )
  .default({});

const node = z.preprocess(
  (value) => value ?? {},
  strict('the options of a node', {
    address: written(text('an address in underlay.prefix').transform(asAddress)).optional(),
    port: z
      .int(accepted('a TCP port'))
      .min(1, accepted('a TCP port'))
      .max(65535, accepted('a TCP port'))
      .default(5001),
    registry: z
      .string(accepted('embedded: or nsm://HOST:PORT'))
      .regex(/^(embedded:$|nsm:\/\/)/, accepted('embedded: or nsm://HOST:PORT'))
      .optional(),
    options,
    environment,
  }),
);

const pod = z.preprocess(
  (value) => (isScalar(value) ? { node: value } : value),
  strict('the name of a node, or the options of a pod', {
    node: written(text('the name of a node')),
    links: z
      .array(written(text('the name of an outside host')), accepted('a list of outside hosts'))
      .default([]),
  }),
);

const yesOrNo = truth(z.boolean(accepted('true or false')));

const mtu = (smallest: number) => {
  const what = `bytes, ${smallest} to 65535`;
  return z.int(accepted(what)).min(smallest, accepted(what)).max(65535, accepted(what)).default(1500);
};

export const labSchema: z.ZodType<LabFile> = strict('a lab', {
  name: written(memberName),
  underlay: strict('the underlay', {
    prefix: prefix.default('172.30.0.0/24'),
    // Room for any tunnel's headers and an IPv6 packet of the smallest MTU allowed (RFC 8200 section 5).
    mtu: mtu(1400),
  }).prefault({}),
  nodes: named('nodes', memberName, node),
  pods: named('pods', memberName, pod).default({}),
  outside: named(
    'outside hosts',
    outsideName,
    strict('an outside host', { prefix: prefixes, mtu: mtu(1280) }),
  ).default({}),
  networks: named(
    'networks',
    memberName,
    named(
      'nodes with the names of devices',
      memberName,
      z.array(written(deviceName), accepted('a list of names of devices')),
    ),
  ).default({}),
  endpoints: list(
    'endpoints',
    strict('an endpoint', {
      pod: written(text('the name of a pod')),
      kind,
      service: written(serviceName).optional(),
      name: written(memberName).optional(),
      labels,
      options,
      environment,
    }),
  ).default([]),
  clients: list(
    'clients',
    strict('a client', {
      pod: written(text('the name of a pod')),
      service: written(serviceName),
      request_id: written(name('1 to 253 of A-Z, a-z, 0-9, . _ and -', /^[-._A-Za-z0-9]+$/, 253)).optional(),
      interface: z
        .string(accepted('as `nsm connect --interface` takes it, such as kernel or mem:first,kernel:second'))
        .optional(),
      optional: yesOrNo.default(false),
      labels,
      options,
      environment,
    }),
  ).default([]),
  throughput: yesOrNo.default(false),
  checks: list(
    'checks',
    strict('a check', {
      from: written(text('the name of a pod, node or outside host')),
      to: written(text('the name of an outside host, or an IP address').transform(asAddress)),
    }),
  ).default([]),
});
