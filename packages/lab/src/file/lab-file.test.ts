// Lab files: what is filled in, and how everything that is wrong is said.
import { describe, expect, it } from 'vitest';
import { parseLabFile } from './lab-file.js';

const parse = (text: string): ReturnType<typeof parseLabFile> => parseLabFile(text, 'lab.yaml');
const problems = (text: string): string[] => {
  try {
    parse(text);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
  return [];
};
const minimal = 'name: x\nnodes: { a: }\n';

describe('a lab file', () => {
  it('needs a name and a node, and gets defaults for the rest', () => {
    expect(parse(minimal)).toEqual({
      name: 'x',
      underlay: { prefix: '172.30.0.0/24', mtu: 1500 },
      nodes: { a: { port: 5001, options: {}, environment: {} } },
      pods: {},
      outside: {},
      networks: {},
      endpoints: [],
      clients: [],
      checks: [],
      throughput: false,
    });
  });

  it('has one text for an address, however it is written', () => {
    const lab = parse(`name: x
underlay: { prefix: "FD00:30:0::/64" }
nodes: { a: { address: "FD00:30::0009" } }
pods: { p: a }
outside: { host: { prefix: ["::ffff:203.0.113.0/120", "2001:DB8::/64"] } }
checks: [{ from: p, to: "2001:DB8:0::0001" }]
`);
    expect(lab).toMatchObject({
      underlay: { prefix: 'fd00:30::/64' },
      nodes: { a: { address: 'fd00:30::9' } },
      outside: { host: { prefix: ['203.0.113.0/24', '2001:db8::/64'] } },
      checks: [{ to: '2001:db8::1' }],
    });
    expect(
      problems(
        'name: x\nunderlay: { prefix: "fd00::/64" }\nnodes: { a: { address: "fd00::9" }, b: { address: "FD00:0::9" } }',
      ),
    ).toEqual([expect.stringContaining("is node a's already")]);
  });

  it('takes short forms', () => {
    const lab = parse(`${minimal}pods: { p: a }\noutside: { o: { prefix: 10.0.0.0/8 } }\n`);
    expect(lab.pods.p).toEqual({ node: 'a', links: [] });
    expect(lab.outside.o).toEqual({ prefix: ['10.0.0.0/8'], mtu: 1500 });
  });

  it.each([
    ['name: [', 'lab.yaml:1:8: Flow sequence'],
    ['3', 'lab.yaml:1:1: the file: 3 is not accepted; accepted: a lab (name, underlay,'],
    ['nodes: { a: }', 'lab.yaml:1:1: name is missing; needed: 1 to 24 of a-z, 0-9 and -, not at an end'],
    ['name: x\nnodes: {}', 'lab.yaml:2:1: nodes: a lab needs at least one node'],
    ['', 'lab.yaml:1:1: the file is empty'],
    ['# nothing\n---\n', 'lab.yaml:1:1: the file is empty'],
    ['\uFEFFname: x\r\nnodes: { a: }\r\nfoo: 1\r\n', 'lab.yaml:3:1: foo: unknown key'],
    ['\uFEFFfoo: 1\nname: x\nnodes: { a: }\n', 'lab.yaml:1:1: foo: unknown key'],
    [`${minimal}pods: { \uFFFD: a }`, 'lab.yaml:3:9: here is no UTF-8: save the file as UTF-8'],
    [`${minimal}name: y\n`, 'lab.yaml:3:1: name is there twice, first in line 1: take one away'],
    [`${minimal}pods: { p: a, q: a, p: a }\n`, 'lab.yaml:3:21: p is there twice, first in line 3'],
    [`${minimal}pods: { __proto__: a }\n`, 'lab.yaml:3:9: __proto__ is no name for a key'],
    [
      'name: !!python/object x\nnodes: { a: }\n',
      'lab.yaml:1:7: Unresolved tag: tag:yaml.org,2002:python/object',
    ],
    [
      'name: x\nnodes: { a: &a { prt: 1 }, b: { <<: *a } }\n',
      'lab.yaml:2:18: nodes.a.prt: unknown key (did you mean port?)',
    ],
    [
      `${minimal}\nclents: []`,
      'lab.yaml:4:1: clents: unknown key (did you mean clients?); known: name, underlay',
    ],
    [
      `${minimal}networks: { lan: { b: [eth1] } }`,
      'lab.yaml:3:20: networks.lan.b: "b" is no node of this lab',
    ],
    [
      `${minimal}networks: { a: {} }`,
      'lab.yaml:3:13: networks.a: there is also a node, pod or outside host of the',
    ],
    [
      `${minimal}networks: { lan: { a: [UPPER] } }`,
      'lab.yaml:3:24: networks.lan.a[0]: "UPPER" is not accepted; accepted: 1 to 15 of a-z',
    ],
    [
      'name: x\nnodes:\n  a:\n    prot: 1',
      'lab.yaml:4:5: nodes.a.prot: unknown key (did you mean port?); known: address, port',
    ],
    [
      'name: x\nnodes:\n  a:\n    port: 0',
      'lab.yaml:4:5: nodes.a.port: 0 is not accepted; accepted: a TCP port',
    ],
    ['name: x\nnodes:\n  A:', 'lab.yaml:3:3: nodes.A: "A" is not accepted; accepted: 1 to 24 of a-z'],
    [
      `${minimal}underlay: { prefix: 10.0.0.1/8 }`,
      'lab.yaml:3:13: underlay.prefix: "10.0.0.1/8" is not accepted; accepted: an IPv4 or IPv6 prefix without host bits',
    ],
    [
      `${minimal}underlay: { prefix: 10.0.0.0/33 }`,
      'lab.yaml:3:13: underlay.prefix: "10.0.0.0/33" is not accepted',
    ],
    [
      `${minimal}underlay: { mtu: 1000 }`,
      'lab.yaml:3:13: underlay.mtu: 1000 is not accepted; accepted: bytes, 1400 to 65535',
    ],
    [
      `${minimal}pods: { p: b }`,
      'lab.yaml:3:9: pods.p.node: "b" is no node of this lab (did you mean a?); accepted: a',
    ],
    [`${minimal}pods: { a: a }`, 'lab.yaml:3:9: pods.a: there is also a node of the name "a"'],
    [
      `${minimal}pods: { p: { node: a, links: [o] } }`,
      'lab.yaml:3:31: pods.p.links[0]: "o" is no outside host of this lab; accepted: none, as the lab has none',
    ],
    [`${minimal}pods: { logs: a }`, 'lab.yaml:3:9: pods.logs: the name "logs" is taken by the lab itself'],
    [
      `${minimal}endpoints: [{ kind: k }]`,
      'lab.yaml:3:13: endpoints[0].pod is missing; needed: the name of a pod',
    ],
    [
      `${minimal}pods: { p: a }\nclients: [{ pod: p, service: s }]`,
      'lab.yaml:4:21: clients[0].service: "s" is no service of this lab; accepted: none',
    ],
    [
      `${minimal}pods: { p: a }\nendpoints: [{ pod: p, kind: gateway }, { pod: p, kind: gateway }]`,
      'lab.yaml:4:40: endpoints[1]: gateway by p is there twice',
    ],
    [
      `${minimal}pods: { p: a }\nendpoints:\n  - pod: p\n    kind: icmp-responer`,
      'lab.yaml:6:5: endpoints[0].kind: "icmp-responer" is no kind of endpoint (did you mean icmp-responder?); accepted: icmp-responder, gateway',
    ],
    [
      `${minimal}checks: [{ from: a, to: nowhere }]`,
      'lab.yaml:3:21: checks[0].to: "nowhere" is no outside host of this lab',
    ],
    [
      'name: x\nnodes: { a: { address: 10.9.9.9 } }',
      `lab.yaml:2:15: nodes.a.address: "10.9.9.9" is not an address in the underlay's 172.30.0.0/24`,
    ],
    [
      'name: x\nnodes: { a: { address: 172.30.0.9 }, b: { address: 172.30.0.9 } }',
      `lab.yaml:2:43: nodes.b.address: "172.30.0.9" is node a's already`,
    ],
    [
      'name: x\nunderlay: { prefix: 10.0.0.0/31 }\nnodes: { a: , b: , c: }',
      'lab.yaml:2:13: underlay.prefix: 10.0.0.0/31 has room for 2 nodes; the lab has 3',
    ],
    [
      `${minimal}outside: { o: { prefix: 10.60 } }`,
      'lab.yaml:3:17: outside.o.prefix[0]: "10.60" is not accepted; accepted: an IPv4 or IPv6 prefix',
    ],
    ['name: x\nnodes: { a: { port: 0x1389 } }', 'lab.yaml:2:15: nodes.a.port: "0x1389" is not accepted'],
    [
      `${minimal}pods: { p: a }\nclients: [{ pod: p, service: s, labels: { k: "a,b=c" } }]`,
      'lab.yaml:4:43: clients[0].labels.k: "a,b=c" is not accepted; accepted: up to 63 of A-Z, a-z, 0-9, . _ and -',
    ],
    [`${minimal}pods: { p: 1.0 }`, 'lab.yaml:3:9: pods.p.node: "1.0" is no node of this lab'],
  ])('says what is wrong with %j', (text, expected) => {
    expect(problems(text)[0]).toContain(expected);
  });

  it.each([
    [`${minimal}pods: { p: *x }\n`, 'lab.yaml:3:12: *x stands for nothing: no &x is before it'],
    [`${minimal}pods: { p: *x, q: &x a }\n`, 'lab.yaml:3:12: *x stands for nothing'],
    [`${minimal}pods: &x { p: *x }\n`, 'lab.yaml:3:15: *x is within what it stands for'],
    [
      `name: x\n${'bcdefghi'.replace(/./g, (c) => `${c}: &${c} [${Array(9).fill(c === 'b' ? 'x' : `*${String.fromCharCode(c.charCodeAt(0) - 1)}`)}]\n`)}`,
      'lab.yaml:1:1: it cannot be read: Excessive alias count',
    ],
  ])('says where an alias of YAML is wrong: %j', (text, expected) => {
    expect(problems(text)[0]).toContain(expected);
  });

  it('takes merge keys, which say what several maps have in common', () => {
    const lab = parse(
      'name: x\nnodes: { a: &a { port: 5003, options: { tunnel: gre } }, b: { <<: *a, port: 5002 } }\n',
    );
    expect(lab.nodes.b).toEqual({ ...lab.nodes.a, port: 5002 });
  });

  it('counts what is wrong beyond what can be read, of a large file within seconds', () => {
    const pods = Array.from({ length: 20_000 }, (_, index) => `  P${index}: a\n`).join('');
    const said = problems(`${minimal}pods:\n${pods}`);
    expect(said).toHaveLength(51);
    expect(said[49]).toContain('lab.yaml:53:3: pods.P49: "P49" is not accepted');
    expect(said[50]).toBe('and 19950 more');
  });

  it('says everything at once, in the order of the lines', () => {
    const said = problems('name: X\nnodes: { a: { port: x } }\nfoo: 1\n');
    expect(said.map((line) => line.split(' ')[0])).toEqual([
      'lab.yaml:1:1:',
      'lab.yaml:2:15:',
      'lab.yaml:3:1:',
    ]);
  });

  it('lets clients ask for services of a registry that the lab does not make', () => {
    const text =
      'name: x\nnodes: { a: { registry: "nsm://10.0.0.1:5001" } }\npods: { p: a }\nclients: [{ pod: p, service: s }]\n';
    expect(problems(text)).toEqual([]);
  });

  it('keeps text as it was written, whatever YAML would make of it', () => {
    const spellings =
      '1.10 010 0x10 0o10 1e3 .5 00 -0 -5 1.0 1_000 12345678901234567890 .inf no yes on Off true True 2026-01-01';
    const pairs = spellings.split(' ').map((text, index) => [`k${index}`, text] as const);
    const written = Object.fromEntries(pairs);
    const map = `{ ${pairs.map(([key, text]) => `${key}: ${text}`).join(', ')} }`;
    const lab = parse(
      'name: 010\nnodes: { 1e3: { environment: { V: 1.10, Z: 007, T: TRUE } } }\npods: { 08: 1e3, no: { node: 1e3 } }\n' +
        `endpoints: [{ pod: 08, kind: gateway, service: 1.10, name: 00, labels: ${map} }]\n` +
        `clients: [{ pod: no, service: 1.10, request_id: 0x10, labels: ${map} }]\n`,
    );
    expect(lab.name).toBe('010');
    expect(lab.nodes['1e3']?.environment).toEqual({ V: '1.10', Z: '007', T: 'TRUE' });
    expect(lab.pods).toMatchObject({ '08': { node: '1e3' }, no: { node: '1e3' } });
    expect(lab.endpoints[0]).toMatchObject({ pod: '08', service: '1.10', name: '00', labels: written });
    expect(lab.clients[0]).toMatchObject({ pod: 'no', service: '1.10', request_id: '0x10', labels: written });
  });

  it('tells true and false from text where a flag may be either', () => {
    const options = '{ a: true, b: False, c: "true", d: no, e: 1.10, f: [0x10, TRUE], g: 5 }';
    expect(parse(`name: x\nnodes: { a: { options: ${options} } }`).nodes.a?.options).toEqual({
      a: true,
      b: false,
      c: 'true',
      d: 'no',
      e: '1.10',
      f: ['0x10', true],
      g: '5',
    });
    expect(parse(`%YAML 1.1\n---\n${minimal}throughput: TRUE\n`).throughput).toBe(true);
  });

  it.each([
    ['name: a\n---\nname: b\n', /^lab.yaml:2:1: a second document begins here/],
    [`name: ${'['.repeat(20_000)}`, /^lab.yaml:1:\d+: lists or maps within each other, too deep to read/],
  ])('says in words of its own what cannot be read', (text, message) => {
    expect(() => parseLabFile(text, 'lab.yaml')).toThrow(message);
  });

  it.each(['~', 'null', ''])('says that %j is to be quoted where text is meant', (nothing) => {
    const [label, flag, variable] = problems(
      `${minimal}pods: { p: a }\nendpoints:\n  - pod: p\n    kind: gateway\n    labels:\n      z: ${nothing}\n` +
        `    options: { f: ${nothing} }\n    environment: { V: ${nothing} }\n`,
    );
    const quote =
      'null is not accepted (~, null and no value are no text in YAML: quote what is meant as text)';
    expect(label).toContain(`lab.yaml:8:7: endpoints[0].labels.z: ${quote}`);
    expect(flag).toContain(`lab.yaml:9:16: endpoints[0].options.f: ${quote}`);
    expect(variable).toContain(`lab.yaml:10:20: endpoints[0].environment.V: ${quote}`);
  });
});
