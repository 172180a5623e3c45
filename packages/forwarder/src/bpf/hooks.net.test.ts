// Both ways of putting programs on a device: found again, replaced in place, before others' where that is allowed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attachTcx, BpfObject, describeProgram, hasTcx, type RouteSocket, tcxPrograms } from '@nsm/netlink';
import { leaks, makeNamespace, requireRoot, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeviceHooks } from './device-hooks.js';
import { FilterHooks } from './filter-hooks.js';
import type { Hooks, LoadedProgram } from './hooks.js';
import { TcxHooks } from './tcx-hooks.js';

afterAll(() => expect(leaks()).toEqual([]));

const object = fileURLToPath(new URL('../../bpf/tunnel.bpf.o', import.meta.url));
const rooted = requireRoot('hooks');
const kernelHasTcx = rooted && hasTcx();
if (rooted && !kernelHasTcx) process.stderr.write('SKIPPED hooks by tcx: this kernel has none (Linux 6.6)\n');

describe.skipIf(!rooted)('hooks', () => {
  let node: TestNamespace;
  let device: number;
  const folder = mkdtempSync(join(tmpdir(), 'nsm-hooks-'));
  const objects: BpfObject[] = [];

  beforeEach(() => {
    node = makeNamespace('node');
    node.route.addLink({ kind: 'veth', name: 'under', peer: { name: 'over' } });
    device = node.route.link('under')!.index;
  });
  afterEach(() => {
    for (const one of objects.splice(0)) one.close();
    node.remove();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const load = (name: string, file = object): LoadedProgram => {
    const loaded = BpfObject.load(file);
    objects.push(loaded);
    const fd = loaded.program(name);
    return { name, fd, id: describeProgram(fd).id };
  };
  /** A program of somebody else: the same instructions under another name. */
  const foreign = (): LoadedProgram => {
    const file = join(folder, 'foreign.bpf.o');
    const renamed = readFileSync(object).toString('latin1').replaceAll('nsm_leave', 'abc_leave');
    writeFileSync(file, Buffer.from(renamed, 'latin1'));
    return load('abc_leave', file);
  };
  const kinds: [string, (route: RouteSocket) => Hooks][] = [
    ...(kernelHasTcx ? [['tcx', () => new TcxHooks()] as [string, () => Hooks]] : []),
    ['filters', (route) => new FilterHooks(route)],
  ];

  it.each(kinds)(
    '%s: finds what it put there, replaces it, and takes nothing off that is not its own',
    (_, make) => {
      const [hooks, another] = [make(node.route), make(node.route)];
      node.namespace.run(() => {
        const [first, second] = [load('nsm_unwrap'), load('nsm_unwrap')];
        expect(hooks.find([device])).toEqual([]);
        hooks.attach(device, 'ingress', first);
        hooks.attach(device, 'ingress', first);
        hooks.attach(device, 'egress', load('nsm_leave'));
        const found = another.find([device]);
        expect(found.map(({ hook, name }) => [hook, name])).toEqual([
          ['ingress', 'nsm_unwrap'],
          ['egress', 'nsm_leave'],
        ]);
        expect(found[0]!.id).toBe(first.id);
        another.attach(device, 'ingress', second);
        expect(hooks.ours(device, 'ingress')).toEqual({ name: 'nsm_unwrap', id: second.id });
        expect(hooks.find([device])).toHaveLength(2);
        hooks.detach(device, 'ingress');
        hooks.detach(device, 'ingress');
        expect(hooks.ours(device, 'ingress')).toBeUndefined();
        // A device that is not there.
        expect(hooks.ours(9999, 'ingress')).toBeUndefined();
        expect(hooks.before(9999, 'ingress')).toEqual([]);
        hooks.detach(9999, 'ingress');
        expect(() => hooks.attach(9999, 'ingress', first)).toThrow(/ENODEV|EINVAL/);
      });
    },
  );

  it.each(['filters', 'either'])(
    '%s: where others have an ingress qdisc, what leaves is not looked for in what comes in',
    (which) => {
      const hooks = which === 'filters' ? new FilterHooks(node.route) : new DeviceHooks(node.route);
      node.namespace.run(() => {
        node.route.addQdisc({ kind: 'ingress', device });
        const unwrap = load('nsm_unwrap');
        hooks.attach(device, 'ingress', unwrap);
        const leave = () => hooks.attach(device, 'egress', load('nsm_leave'));
        if (which === 'filters') expect(leave()).toBe('none');
        else if (kernelHasTcx) leave();
        else expect(leave).toThrow(/put clsact there instead/);
        hooks.detach(device, 'egress');
        expect(hooks.find([device])).toEqual([
          { device, hook: 'ingress', name: 'nsm_unwrap', id: unwrap.id },
        ]);
      });
    },
  );

  it('filters come before those that are there, whenever these came', () => {
    const hooks = new FilterHooks(node.route);
    const program = load('nsm_unwrap');
    const priorities = () =>
      node.route.filters({ device, parent: 'ingress' }).map(({ kind, priority }) => `${priority} ${kind}`);
    const theirs = {
      kind: 'u32',
      device,
      parent: 'ingress',
      actions: [{ kind: 'redirect', device: 1 }],
    } as const;
    node.route.addQdisc({ kind: 'clsact', device });
    node.route.addFilter({ ...theirs, priority: 7 });
    hooks.attach(device, 'ingress', program);
    expect(priorities()).toEqual(['6 bpf', '7 u32']);
    node.route.addFilter({ ...theirs, priority: 3 });
    expect(hooks.before(device, 'ingress')).toEqual(['filter u32 of priority 3']);
    hooks.attach(device, 'ingress', program);
    expect(priorities()).toEqual(['2 bpf', '3 u32', '7 u32']);
    expect(hooks.before(device, 'ingress')).toEqual([]);
    // None is lower: what is before it is named, again and again the same.
    node.route.addFilter({ ...theirs, priority: 1 });
    for (let times = 0; times < 2; times++) {
      hooks.attach(device, 'ingress', program);
      expect(priorities()).toEqual(['1 u32', '2 bpf', '3 u32', '7 u32']);
      expect(hooks.before(device, 'ingress')).toEqual(['filter u32 of priority 1']);
    }
    node.route.deleteFilter({ device, parent: 'ingress', priority: 1 });
    hooks.detach(device, 'ingress');
    expect(priorities()).toEqual(['3 u32', '7 u32']);
  });

  it.skipIf(!kernelHasTcx)(
    'tcx comes before what is there, once before what came later, and names what insists',
    () => {
      node.namespace.run(() => {
        const hooks = new TcxHooks();
        const [program, others] = [load('nsm_unwrap'), [foreign(), foreign()] as const];
        attachTcx(device, 'ingress', others[0].fd);
        hooks.attach(device, 'ingress', program);
        const order = () => tcxPrograms(device, 'ingress');
        expect(order()).toEqual([program.id, others[0].id]);
        attachTcx(device, 'ingress', others[1].fd);
        expect(hooks.before(device, 'ingress')).toEqual(['eBPF program abc_leave by tcx']);
        hooks.attach(device, 'ingress', program);
        expect(order()).toEqual([program.id, others[1].id, others[0].id]);
        expect(hooks.before(device, 'ingress')).toEqual([]);
        hooks.detach(device, 'ingress');
        hooks.attach(device, 'ingress', program);
        hooks.detach(device, 'ingress');
        expect(order()).toEqual([others[1].id, others[0].id]);
      });
    },
  );
});
