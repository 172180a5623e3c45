// What `nsm explain` says of a request, in full and in short.
import { create } from '@bufbuild/protobuf';
import { admin, InterfaceType, TunnelType } from '@nsm/api';
import { Output } from '@nsm/output';
import { type ExplanationView, explanationView } from '@nsm/views/explanation-view';
import { describe, expect, it } from 'vitest';
import { printExplanation, shortLines } from './explanation.js';

const { KERNEL_INTERFACE, MEM_INTERFACE, DEFAULT_INTERFACE } = InterfaceType;
const { VXLAN, GRE } = TunnelType;
const kernel = { type: KERNEL_INTERFACE };

const view = (
  fields: Parameters<typeof create<typeof admin.ExplainSelectionReplySchema>>[1],
): ExplanationView => explanationView('vpn', create(admin.ExplainSelectionReplySchema, fields));
const shown = (one: ExplanationView): string => {
  let text = '';
  printExplanation(new Output(false, { write: (more) => (text += more) }), one);
  return text;
};

const near = {
  endpoint: { nseProviderName: 'near', networkServiceHost: 'a' },
  rank: 1,
  local: true,
  checks: [{ about: 'interfaces', passed: true, text: 'kernel to kernel' }],
  interfaces: { asked: [KERNEL_INTERFACE], offered: [DEFAULT_INTERFACE], client: kernel, endpoint: kernel },
};
const far = {
  endpoint: { nseProviderName: 'far', networkServiceHost: 'b' },
  rank: 2,
  lost: 'it is on another node',
  checks: [{ about: 'tunnel', passed: true, text: 'VXLAN' }],
  tunnels: {
    here: [VXLAN, GRE],
    there: [VXLAN],
    missingThere: [{ type: GRE, why: 'ip_gre is not loaded' }],
    chosen: VXLAN,
    mtu: 1450,
  },
};
const other = {
  endpoint: { nseProviderName: 'other', nseProviderNamespace: 'team', networkServiceHost: 'b' },
  checks: [
    { about: 'labels', passed: false, text: 'label app=x (has none) does not match' },
    { about: 'node', passed: false, text: 'its manager "b" does not answer' },
  ],
  labels: [{ key: 'app', wanted: 'x' }],
};
const plan = {
  nseProviderName: 'near',
  manager: 'a',
  interface: kernel,
  endpointInterface: kernel,
  mtu: 1500,
};

describe('an explanation', () => {
  it('in full says of each endpoint what it was looked at for, and why the first goes before it', () => {
    const text = shown(view({ candidates: [near, far, other], plan }));
    expect(text).toMatch(/^verdict {2}would be connected to near on a, kernel, MTU 1500$/m);
    expect(text).toMatch(
      /^chosen {3}near on a\n {2}√ interfaces asks for kernel, offers default: kernel to kernel$/m,
    );
    expect(text).toMatch(/^2 {8}far on b, after the first: it is on another node$/m);
    expect(text).toMatch(/^ {2}√ tunnel {5}VXLAN of here VXLAN, GRE; there VXLAN$/m);
    expect(text).toMatch(/^ {4}not there {2}GRE: ip_gre is not loaded$/m);
    expect(text).toMatch(
      /^dropped {2}team\/other on b\n {2}× labels {5}label app=x \(has none\) does not match$/m,
    );
  });

  it('does not promise what failed a moment ago', () => {
    const text = shown(view({ candidates: [{ ...near, recentFailure: 'no answer in 5 s' }], plan }));
    expect(text).toMatch(
      /^verdict {2}would be tried with near on a, kernel, MTU 1500, which failed lately$/m,
    );
    expect(text).toMatch(/^ {2}× health {5}tried last, because it failed lately: no answer in 5 s$/m);
  });

  it('says which request is explained where that is the last one, which was refused', () => {
    const refused = {
      requestId: 'r1',
      labels: { selector: { tier: 'bronze' } },
      interface: [kernel],
    };
    const text = shown(view({ candidates: [other], refused }));
    expect(text).toMatch(/^explains its last request "r1" for kernel, labels tier=bronze$/m);
    expect(text).toMatch(/^verdict {2}would be refused again: no endpoint fits$/m);
    expect(shown(view({ candidates: [near], plan, refused }))).toMatch(
      /^verdict {2}would be connected now to near/m,
    );
  });

  it('says that it is the policy where nothing else is in the way', () => {
    const denied = { about: 'policy', passed: false, text: 'rule "none" denies it' };
    const barred = { ...near, rank: 0, checks: [denied, ...near.checks] };
    expect(shown(view({ candidates: [other, barred] }))).toMatch(
      /refused: the policy allows no endpoint that fits$/m,
    );
    expect(shown(view({ candidates: [{ ...other, checks: [denied, ...other.checks] }] }))).toMatch(
      /no endpoint fits$/m,
    );
  });

  it('in short is a line for each endpoint with all that is against it, after what is against all', () => {
    const problem = { code: 'NSM0006', what: 'network namespace 7 has 1 of 1 connections', refuses: true };
    const short = shortLines(
      view({ candidates: [other, ...Array.from({ length: 6 }, () => far)], problems: [problem] }),
    );
    expect(short.slice(0, 3)).toEqual([
      'network namespace 7 has 1 of 1 connections',
      'team/other on b: label app=x (has none) does not match; its manager "b" does not answer',
      'far on b: would be tried',
    ]);
    expect(short.at(-1)).toBe('and 2 more');
  });

  it('in short says nothing where a refusal has said it all', () => {
    const failed = { ...far, checks: [{ about: 'tunnel', passed: false, text: 'no tunnel leads there' }] };
    const one = view({ candidates: [failed] });
    expect(shortLines(one, 'manager "b": no tunnel leads there')).toEqual([]);
    expect(shortLines(view({ candidates: [far] }), 'anything else')).toEqual([]);
    expect(shortLines(view({ candidates: [failed, other] }), 'no tunnel leads there')).toEqual([
      'far on b: see above',
      expect.stringMatching(/^team\/other on b: label app=x/),
    ]);
  });

  it('as data has what both sides share, and what is missed', () => {
    const asked = {
      asked: [KERNEL_INTERFACE, MEM_INTERFACE],
      offered: [MEM_INTERFACE],
      denied: [KERNEL_INTERFACE],
    };
    const { candidates } = view({ candidates: [{ ...other, interfaces: asked }, far] });
    expect(candidates[0]).toMatchObject({
      labelMatches: [{ key: 'app', wanted: 'x', has: null, matched: false }],
      interfaceMatch: { shared: ['mem'], denied: ['kernel'], joined: null },
      tunnels: null,
    });
    expect(candidates[1]?.tunnels).toMatchObject({
      shared: ['VXLAN'],
      missingThere: { GRE: 'ip_gre is not loaded' },
      chosen: 'VXLAN',
    });
  });
});
