// The suites of npm run reliability: every file that tries less in npm test than it could is in one of them.

/** Files of suites that are not in test/src/reliability, as parts of their paths. */
const filesOf = {
  packets: ['packets/packets.net.test'],
  package: ['shipping/package.net.test'],
  // What holds of everything that chance makes is tried with fewer examples by npm test.
  properties: [
    ...['durable/dist/record-file', 'registry/dist/', 'sdk/dist/read-answer'],
    ...['manager/dist/admission/answer', 'manager/dist/choice/negotiation'],
  ],
  // Of which npm test has pairs, some, or none, and shorter pauses.
  products: [
    ...['forwarder/dist/tunnels/', 'forwarder/dist/bpf/', 'forwarder/dist/lending/'],
    ...['manager/dist/request/answers', 'manager/dist/request/many', 'manager/dist/signals/undone-there'],
    'manager/dist/lifelines/keep-reachable',
    ...[
      'test/dist/connecting/addresses',
      'test/dist/connecting/examples',
      'test/dist/connecting/tunnels.net',
    ],
    ...['test/dist/connecting/shared-to-kernel', 'test/dist/connecting/types-matrix'],
    ...['test/dist/enduring/hostile-peers', 'test/dist/enduring/rollout'],
  ],
};

/** What runs when no suite is named. */
export const suites = [
  ...['failure-matrix', 'kill-points', 'model', 'etcd-cluster', 'properties', 'products', 'package'],
];

/** Parts of the paths of a suite's files. */
export const patternsOf = (suite) => filesOf[suite] ?? [`reliability/${suite}.net.test`];

/** Of all suites that can be named, but for those whose folder is test/src/reliability. */
export const elsewhere = Object.values(filesOf).flat();
