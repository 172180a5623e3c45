// Plans: a lab file in, exactly what would be made out.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describePlan } from '../dry-run.js';
import { parseLabFile } from '../file/lab-file.js';
import { needsTrust } from '../file/lab-trust.js';
import { planLab } from './plan.js';

const plan = (text: string): ReturnType<typeof planLab> =>
  planLab(parseLabFile(text, 'lab.yaml'), '/run/nsm/lab');

describe('planLab', () => {
  it('lays out nodes, pods, an outside host and every command line', () => {
    const text = `
name: lab
underlay: { prefix: "fd00:30::/64", mtu: 9000 }
nodes:
  one: { options: { prefix: [10.1.0.0/16, 10.2.0.0/16], log-level: debug }, environment: { A: it's } }
  two: { address: "fd00:30::1", port: 6000 }
pods:
  alice: one
  gate: { node: two, links: [world, moon] }
  a-name-of-24-characters-x: two
outside:
  world: { prefix: [203.0.113.0/24, "2001:db8::/64"] }
  moon: { prefix: 198.51.100.0/24, mtu: 1280 }
networks:
  wire: { one: [hw0, hw1], two: [hw0] }
endpoints:
  - { pod: gate, kind: gateway, service: net, labels: { site: b }, options: { outside: world, json: true, x: -1 } }
clients:
  - { pod: alice, service: net, labels: { site: b }, interface: "kernel:first" }
checks: [{ from: alice, to: world }, { from: alice, to: 192.0.2.1 }]
`.replace('a-name-of-24-characters-x', 'a-name-of-23-characters');
    expect(`${describePlan(plan(text)).join('\n')}\n`).toBe(`lab lab, in /run/nsm/lab/lab
+ network namespace nsm-lab-underlay (underlay)
+ network namespace nsm-lab-world (outside)
+ network namespace nsm-lab-moon (outside)
+ network namespace nsm-lab-wire (network)
+ network namespace nsm-lab-one (node)
+ network namespace nsm-lab-two (node)
+ network namespace nsm-lab-alice (pod)
+ network namespace nsm-lab-gate (pod)
+ network namespace nsm-lab-a-name-of-23-characters (pod)
+ bridge in nsm-lab-underlay for underlay, MTU 9000
+ veth eth0 in nsm-lab-one, fd00:30::2/64
+ veth eth0 in nsm-lab-two, fd00:30::1/64
+ bridge in nsm-lab-world for world, MTU 1500, 203.0.113.1/24, 2001:db8::1/64
+ veth world in nsm-lab-gate, 203.0.113.2/24, 2001:db8::2/64, default route via 203.0.113.1, default route via 2001:db8::1
+ bridge in nsm-lab-moon for moon, MTU 1280, 198.51.100.1/24
+ veth moon in nsm-lab-gate, 198.51.100.2/24
+ bridge in nsm-lab-wire for wire, MTU 1500
+ veth hw0 in nsm-lab-one
+ veth hw1 in nsm-lab-one
+ veth hw0 in nsm-lab-two
+ in nsm-lab-one: A='it'\\''s' nsm manager --name one --run-dir /run/nsm/lab/lab/one --state-dir /run/nsm/lab/lab/one/state --listen [fd00:30::2]:5001 --advertise [fd00:30::2]:5001 --registry embedded: --pki-dir /run/nsm/lab/lab/.pki --prefix=10.1.0.0/16 --prefix=10.2.0.0/16 --log-level=debug
+ in nsm-lab-two: nsm manager --name two --run-dir /run/nsm/lab/lab/two --state-dir /run/nsm/lab/lab/two/state --listen [fd00:30::1]:6000 --advertise [fd00:30::1]:6000 --registry nsm://[fd00:30::2]:5001 --pki-dir /run/nsm/lab/lab/.pki
+ in nsm-lab-gate: nsm endpoint gateway --service net --name gate --run-dir /run/nsm/lab/lab/two --label=site=b --outside=world --json --x=-1
+ in nsm-lab-alice: nsm connect net --request-id lab-alice --run-dir /run/nsm/lab/lab/one --interface=kernel:first --label=site=b
? ping world (203.0.113.1, 2001:db8::1) from alice
? ping 192.0.2.1 (192.0.2.1) from alice
= one speaks mutual TLS, with a certificate of the lab's own authority
= two speaks mutual TLS, with a certificate of the lab's own authority
`);
  });

  it('says what security its file asks for, and what needs trust', () => {
    const text = `
name: lab
nodes:
  one: { options: { insecure: true } }
  two: { options: { join: token@h:1, policy: /etc/p } }
  three: { environment: { NSM_INSECURE: "1", PATH: /x } }
`;
    const lab = parseLabFile(text, 'lab.yaml');
    const said = describePlan(planLab(lab, '/run/nsm/lab'), needsTrust(lab));
    expect(said.filter((line) => /^[=!]/.test(line))).toEqual([
      '= one speaks plain text, and believes everybody',
      '= two speaks mutual TLS, with a certificate by its --join',
      '= three speaks plain text, and believes everybody',
      '! nodes.two.options.policy reaches beyond the lab: up needs --trust',
      '! nodes.three.environment.PATH reaches beyond the lab: up needs --trust',
    ]);
  });

  it('keeps socket paths short enough for the longest names', () => {
    const long = 'n'.repeat(24);
    const { managers } = plan(`name: ${long}\nnodes: { ${long}: }\n`);
    // An endpoint's own socket is the longest: endpoints/NAME.sock below the node's folder (unix(7): 107 bytes).
    expect(`${managers[0]?.runDir}/endpoints/${long}.sock`.length).toBeLessThan(108);
  });

  it('reads the examples', () => {
    const example = readFileSync(new URL('../../../../examples/two-nodes.yaml', import.meta.url), 'utf8');
    expect(plan(example).clients.map(({ member, node }) => `${member} on ${node}`)).toEqual([
      'alice on node-a',
      'bob on node-a',
      'carol on node-b',
    ]);
  });
});
