import { create } from '@bufbuild/protobuf';
import { forwarder as fw, TunnelType } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { type LossFacts, lossText, reasonsOf } from './trace-reasons.js';
import { type Stage, stagesOf } from './trace-way.js';

const way = stagesOf('client', 'a', 'b');
const stage = (place: string, manager: string, outgoing: boolean, answer = false): Stage => {
  const found = way.find(
    (one) =>
      one.place === place && one.manager === manager && one.outgoing === outgoing && one.answer === answer,
  );
  if (!found) throw new Error('no such stage');
  return found;
};
const tunnel = create(fw.TunnelEndSchema, { type: TunnelType.GRE, remote: '10.9.0.2' });
const quiet = { kernel: [], counted: {}, faults: [], missing: '' };
const facts = (more: Partial<LossFacts>): LossFacts => ({
  loss: { after: stage('underlay', 'a', true), before: stage('underlay', 'b', false) },
  count: 3,
  smallerSize: 0,
  peer: '10.60.0.2',
  tunnel,
  underlayAnswers: true,
  unsent: '',
  errors: [],
  nodes: [
    { manager: 'a', ...quiet },
    { manager: 'b', ...quiet },
  ],
  ...more,
});

describe('why a packet got lost', () => {
  it('is the network, where it left one node and did not come to the other', () =>
    expect(reasonsOf(facts({}))).toEqual([
      'the network between the nodes does not pass GRE (IP protocol 47); ICMP between the nodes passes: a firewall, a security group or an MTU on the way',
    ]));

  it('is an MTU, where smaller ones pass', () =>
    expect(reasonsOf(facts({ smallerSize: 84 }))).toEqual([
      expect.stringMatching(/packets of 84 bytes pass/),
    ]));

  it('is the other pod, where it came to its device', () =>
    expect(
      reasonsOf(
        facts({ loss: { after: stage('endpoint', 'b', false), before: stage('endpoint', 'b', true, true) } }),
      ),
    ).toEqual([expect.stringMatching(/the pod got it, and did not answer/)]));

  it('is not the other pod, where it was seen on this node alone', () =>
    expect(
      reasonsOf(
        facts({ loss: { after: stage('node', 'a', false), before: stage('client', 'a', false, true) } }),
      ),
    ).toEqual([expect.stringMatching(/the network between the nodes/)]));

  it('is what is not as it should be on the nodes that it got lost between, and what their kernels drop as often', () => {
    const kernel = [
      { reason: 'NOT_SPECIFIED', place: 'f', protocol: 0x0800, count: 9 },
      { reason: 'NETFILTER_DROP', place: 'g', protocol: 0x0800, count: 3 },
      { reason: 'IP_RPFILTER', place: 'h', protocol: 0x0800, count: 2 },
      { reason: 'NETFILTER_DROP', place: 'i', protocol: 0x86dd, count: 3 },
    ];
    const reasons = reasonsOf(
      facts({
        loss: { after: stage('client', 'a', true), before: stage('node', 'a', false) },
        nodes: [
          { manager: 'a', kernel, counted: { 'sent, too large': 3n }, faults: ['eth0 is down'], missing: '' },
          { manager: 'b', ...quiet, faults: ['eth1 is down'], kernel, missing: 'no tracefs' },
        ],
      }),
    );
    expect(reasons).toEqual([
      'on node a: eth0 is down',
      'on node a, of this connection: 3 packets "sent, too large"',
      expect.stringMatching(/dropped 3 packets of IPv4 meanwhile: NETFILTER_DROP in g/),
      expect.stringMatching(/dropped 9 packets of IPv4 meanwhile: NOT_SPECIFIED in f/),
      'on node b: eth1 is down',
    ]);
  });

  it('is said with the place', () =>
    expect(
      lossText({ after: stage('underlay', 'a', false, true), before: stage('client', 'a', false, true) }),
    ).toBe('seen at the underlay on a (in) on its way back, and not at the client on a (in)'));
});
