// What of a lab file needs --trust.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseLabFile } from './lab-file.js';
import { needsTrust } from './lab-trust.js';

const lab = (node: string, endpoint = '', client = '') =>
  needsTrust(
    parseLabFile(
      `name: x\nnodes: { one: { ${node} } }\npods: { p: one }\n` +
        `endpoints: [{ pod: p, kind: icmp-responder${endpoint} }]\nclients: [{ pod: p, service: icmp-responder${client} }]\n`,
      'x.yaml',
    ),
  );

describe('needsTrust', () => {
  it('is empty for what stays in the lab', () => {
    const node =
      'environment: { NSM_LOG_LEVEL: debug, NSM_PREFIX: 10.1.0.0/16 }, options: { prefix: "fd00::/48", log-level: info }';
    expect(lab(node, ', labels: { a: b }', ', options: { wait: 5s }')).toEqual([]);
    for (const example of ['two-nodes', 'all-tunnels'])
      expect(
        needsTrust(
          parseLabFile(
            readFileSync(new URL(`../../../../examples/${example}.yaml`, import.meta.url), 'utf8'),
            example,
          ),
        ),
      ).toEqual([]);
  });

  it.each(['LD_PRELOAD', 'NODE_OPTIONS', 'PATH', 'nsm_x', 'GRPC_VERBOSITY'])('names variable %s', (name) => {
    const environment = `environment: { ${name}: x }`;
    expect(lab(environment, `, ${environment}`, `, ${environment}`)).toEqual(
      ['nodes.one', 'endpoints[0]', 'clients[0]'].map((place) => `${place}.environment.${name}`),
    );
  });

  it.each([
    ['state-dir', 'x'],
    ['audit-log', 'x'],
    ['tls-key', 'x'],
    ['policy', 'x'],
    ['any', '/etc/passwd'],
    ['any', 'a/../../b'],
    ['any', '[x, /etc/passwd]'],
  ])('names flag %s of %s, also as a variable', (name, value) => {
    expect(lab(`options: { ${name}: ${value} }`)).toEqual([`nodes.one.options.${name}`]);
    if (value.startsWith('[')) return;
    const variable = `NSM_${name.toUpperCase().replaceAll('-', '_')}`;
    expect(lab(`environment: { ${variable}: ${value} }`)).toEqual([`nodes.one.environment.${variable}`]);
  });
});
