// What the figures should be. A miss is printed and fails nothing: a busy machine must not break a build.
import type { Results, Target } from './results.js';
import { rounded } from './statistics.js';

/** A set-up may take this many times what its kernel operations and round trips take by themselves. */
const overFloor = 2;
/** Milliseconds. */
const localSetUp = 5;
const burstClosing = 1000;
/** Of a bare wire's throughput. */
const throughput = 0.95;
/** Of the kernel's vxlan device's throughput, for each kind of tunnel whose segments the kernel can cut. */
const tunnelThroughput = 0.9;
/** A set-up on a full node by one on an empty node; the kernel's part alone grows by half of that. */
const growth = 2;
/** Milliseconds until a command is ready, or has ended. */
const startMs: Readonly<Record<string, number>> = { 'nsm manager': 400, 'nsm get': 250 };
/** MiB that a command holds idle. */
const idleMiB: Readonly<Record<string, number>> = {
  'nsm manager': 90,
  'nsm endpoint': 50,
  'nsm connect --hold': 45,
};
/** p99 by p50. */
const tail = 10;
/** Milliseconds until every manager knows of an endpoint, and MiB that knowing a full mesh takes. */
const allKnownMs = 1000;
const knowingMiB = 40;
/** Milliseconds from the edit of an annotation until packets pass, p50; calls of the API for a connection. */
const editedMs = 300;
const callsOfConnection = 0;
/** A set-up that is observed by one that is not, and MiB that observing takes. */
const observedRatio = 1.03;
const observedMiB = 10;
/** Of the processor time of a set-up. */
const historyPercent = 3;
/** Microseconds that a decision of a policy takes. */
const decisionUs = 50;

export function judge({
  requests,
  bursts,
  dataplane,
  tunnels,
  scale,
  footprint,
  policy,
  observe,
  registries,
  kubernetes,
}: Pick<
  Results,
  | 'requests'
  | 'bursts'
  | 'dataplane'
  | 'tunnels'
  | 'scale'
  | 'footprint'
  | 'policy'
  | 'observe'
  | 'registries'
  | 'kubernetes'
>): Target[] {
  const targets: Target[] = [];
  const atMost = (name: string, value: number, limit: number, unit: string): void => {
    targets.push({ name, value, limit, unit, pass: value <= limit });
  };
  for (const { rules, condition, us } of policy)
    atMost(`a decision by ${rules} rules${condition ? ', with a condition' : ''}`, us, decisionUs, 'µs');
  if (observe) {
    atMost('set-up with metrics and traces by one without', observe.ratio, observedRatio, '×');
    const more = rounded((observe.observedRss - observe.plainRss) / 2 ** 20);
    atMost('memory that metrics and traces take', more, observedMiB, 'MiB');
    const history = rounded(observe.historyCpuUs / 10 / observe.plainCpuMs);
    atMost(
      'history that outlives a restart, of the processor time of a set-up',
      history,
      historyPercent,
      '%',
    );
  }
  for (const { kind, managers, allKnownMs: known, managerMemory } of registries) {
    atMost(`p99 until all of ${managers} managers know, ${kind}`, known.p99, allKnownMs, 'ms');
    atMost(
      `memory of a manager that knows them, ${kind}`,
      rounded(managerMemory / 2 ** 20),
      knowingMiB,
      'MiB',
    );
  }
  if (kubernetes) {
    atMost('annotation edited until packets pass, p50', kubernetes.attach.p50, editedMs, 'ms');
    atMost('calls of the API for a connection', kubernetes.callsPerConnection, callsOfConnection, '');
  }
  for (const { operation, kind, inFlight, ratio } of requests) {
    if (operation === 'set-up')
      atMost(`${kind} set-up over its floor, ${inFlight} in flight`, ratio, overFloor, '×');
  }
  for (const { operation, kind, inFlight, measured } of requests) {
    if (operation === 'set-up' && kind === 'local' && inFlight === 1)
      atMost('local set-up p50', measured.p50, localSetUp, 'ms');
  }
  for (const { kind, connections, measuredMs } of bursts)
    atMost(`closing ${connections} ${kind} connections at once`, measuredMs, burstClosing, 'ms');
  const atLeast = (name: string, value: number, limit: number): void => {
    targets.push({ name, value, limit, unit: '×', pass: value >= limit });
  };
  for (const { kind, measures, ratio } of dataplane)
    if (measures === 'throughput') atLeast(`${kind} throughput by a bare wire's`, ratio, throughput);
  for (const { tunnel, measures, byVxlan, gso } of tunnels)
    if (measures === 'throughput' && gso)
      atLeast(`${tunnel} throughput by the kernel's vxlan device's`, byVxlan, tunnelThroughput);
  const [empty, full] = [scale[0], scale.at(-1)];
  if (empty && full)
    atMost(`set-up with ${full.held} connections held by one with none`, full.p50 / empty.p50, growth, '×');
  for (const { operation, kind, inFlight, measured } of requests) {
    const ratio = Math.round((100 * measured.p99) / measured.p50) / 100;
    atMost(`${kind} ${operation} p99 by p50, ${inFlight} in flight`, ratio, tail, '×');
  }
  for (const { command, ms, rss = 0 } of footprint) {
    const [milliseconds, mebibytes] = [startMs[command], idleMiB[command]];
    if (milliseconds !== undefined) atMost(`start of ${command}`, ms, milliseconds, 'ms');
    if (mebibytes !== undefined) atMost(`memory of ${command}, idle`, rss / 2 ** 20, mebibytes, 'MiB');
  }
  return targets;
}
