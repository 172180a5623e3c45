// The report of a lab that is up: each client's connection as its manager sees it, and packets sent through it.
import { abbreviatedList, NsmError } from '@nsm/api';
import type { Plan } from '../plan/plan.js';
import { missingApplications, startApplications } from '../pods/applications.js';
import { type Found, NodeView } from './node-view.js';
import { ping } from './ping.js';
import {
  answered,
  type Checked,
  type ConnectionRow,
  carries,
  type LabReport,
  type RoundTrip,
} from './report.js';
import { type Subject, subjectOf } from './subject.js';
import { throughput } from './throughput.js';

/** Pings at once: more would measure each other. */
const atOnce = 2;

/** `failures` says why clients have no connection, by the name of the client's program. */
export async function measureLab(
  plan: Plan,
  signal: AbortSignal,
  failures: ReadonlyMap<string, string> = new Map(),
): Promise<LabReport> {
  const found = await findConnections(plan, signal);
  const subjects = plan.clients.map((client) => subjectOf(plan, client, found, failures.get(client.name)));
  const pinged = await oneAfterAnother(subjects, async (subject) =>
    subject.applications.length > 0 ? subject.row : await withPings(subject, signal),
  );
  const connections: ConnectionRow[] = [];
  for (const [index, subject] of subjects.entries())
    connections.push(await alone(subject, pinged[index] ?? subject.row, plan.throughput, signal));
  const checks = await oneAfterAnother(
    plan.checks,
    async ({ from, namespace, to, addresses }): Promise<Checked> => {
      const roundTrips = await pingAll({ member: from, namespace }, addresses, signal);
      return { from, to, roundTrips, ok: answered(roundTrips) };
    },
  );
  const ok = connections.every((row) => carries(row) || row.notHere) && checks.every((check) => check.ok);
  return { lab: plan.name, ok, connections, checks };
}

/** What each manager says, by its name. */
async function findConnections(plan: Plan, signal: AbortSignal): Promise<ReadonlyMap<string, Found>> {
  const answers = plan.managers.map(async (manager): Promise<[string, Found]> => {
    using view = new NodeView(manager);
    return [
      manager.name,
      await view.connections(signal).then(
        (connections) => ({ connections, error: '' }),
        (thrown: unknown) => ({
          connections: [],
          error: `${manager.name}: ${NsmError.from(thrown).message}`,
        }),
      ),
    ];
  });
  return new Map(await Promise.all(answers));
}

/** What is not measured beside others: applications, which may keep a processor busy each, and streams. */
async function alone(
  subject: Subject,
  row: ConnectionRow,
  stream: boolean,
  signal: AbortSignal,
): Promise<ConnectionRow> {
  const { applications, client } = subject;
  if (applications.length === 0) return stream ? await withStream(subject, row, signal) : row;
  const missing = missingApplications(applications);
  if (missing !== '') return { ...row, notHere: client.optional, detail: missing };
  await using _running = await startApplications(applications, signal);
  const measured = await withPings(subject, signal);
  if (!stream) return measured;
  const streamed = await withStream(subject, measured, signal);
  // What has just been started answers slowly at first.
  return carries(streamed) ? await withPings({ ...subject, row: streamed }, signal) : streamed;
}

async function withPings({ row, client, endpoint }: Subject, signal: AbortSignal): Promise<ConnectionRow> {
  const there = await pingAll(client, row.peerAddresses, signal);
  const back = endpoint ? await pingAll(endpoint, row.addresses, signal) : [];
  const measured = { ...row, there, back };
  return carries(measured) || row.detail ? measured : { ...measured, detail: unanswered(measured) };
}

/** A stream through a connection, if it carries packets at all. */
async function withStream(
  { client, endpoint }: Subject,
  row: ConnectionRow,
  signal: AbortSignal,
): Promise<ConnectionRow> {
  const [address] = row.peerAddresses;
  if (!endpoint || address === undefined || !carries(row)) return row;
  const bits = await throughput(client, endpoint, address.split('/')[0] ?? '', signal);
  return { ...row, throughput: bits, detail: bits > 0 ? row.detail : 'no TCP stream got through' };
}

function unanswered({ state, there, back, peerAddresses }: ConnectionRow): string {
  if (state !== 'UP') return `it is ${state}`;
  if (peerAddresses.length === 0) return 'the other side has no address to send packets to';
  const lost = [...there, ...back].filter(({ received }) => received === 0);
  return `no answer to ping of ${abbreviatedList(lost.map(({ what }) => what))}`;
}

async function pingAll(
  { member: name, namespace }: { readonly member: string; readonly namespace: string },
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<RoundTrip[]> {
  const trips: RoundTrip[] = [];
  for (const address of addresses)
    trips.push(await ping({ name, namespace }, address.split('/')[0] ?? '', signal));
  return trips;
}

async function oneAfterAnother<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += atOnce)
    results.push(...(await Promise.all(items.slice(first, first + atOnce).map(work))));
  return results;
}
