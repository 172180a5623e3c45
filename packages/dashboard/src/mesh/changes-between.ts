// What is different between two moments of a mesh: things for the page, and lines for the time line.
import { grouped } from '@nsm/views/grouped';
import {
  type Change,
  type ConnectionState,
  keyOf,
  type MeshConnection,
  type MeshEndpoint,
  type MeshNode,
  type Thing,
} from '../model.js';
import { notAskedYet } from './mesh-things.js';

type Line = Omit<Change, 'id' | 'time' | 'about'> & { readonly time?: string };

export interface Difference {
  readonly put: readonly Thing[];
  readonly gone: readonly string[];
  readonly changes: readonly Omit<Change, 'id'>[];
}

/** @param now ISO 8601: the time of what does not say its own. */
export function changesBetween(
  before: ReadonlyMap<string, Thing>,
  after: ReadonlyMap<string, Thing>,
  now: string,
): Difference {
  const put: Thing[] = [];
  const changes: Omit<Change, 'id'>[] = [];
  const ofEndpoints: [MeshEndpoint, Line][] = [];
  const note = (about: string, line: Line | undefined, thing: Thing | undefined): void => {
    if (line && thing?.kind === 'endpoint') ofEndpoints.push([thing, line]);
    else if (line) changes.push({ time: now, about, ...line });
  };
  for (const [key, thing] of after) {
    const was = before.get(key);
    if (was && JSON.stringify(was) === JSON.stringify(thing)) continue;
    put.push(thing);
    note(key, lineOf(was, thing), thing);
  }
  const gone = [...before.keys()].filter((key) => !after.has(key));
  for (const key of gone) note(key, endOf(before.get(key)), before.get(key));
  for (const line of endpointLines(ofEndpoints)) changes.push({ time: now, ...line });
  return { put, gone, changes };
}

/** What befalls several endpoints of a node at once is one line, about the node. */
function endpointLines(all: readonly [MeshEndpoint, Line][]): (Line & Pick<Change, 'about'>)[] {
  const together = grouped(all, ([{ node }, { what, detail }]) => `${node}\n${what}\n${detail}`);
  return [...together.values()].flatMap((same) => {
    const [[endpoint, line]] = same as [[MeshEndpoint, Line]];
    if (same.length === 1) return [{ about: keyOf(endpoint), ...line }];
    const who = `${same.length} endpoints of node ${endpoint.node}`;
    return [{ about: `node/${endpoint.node}`, ...line, who }];
  });
}

/** The lines of a time line that nobody has watched: what connections say of their past. */
export function pastOf(things: Iterable<Thing>): Omit<Change, 'id'>[] {
  return [...things]
    .filter((thing) => thing.kind === 'connection')
    .flatMap((connection) =>
      connection.history.flatMap(({ time, state, detail }, index, history) => {
        const before = history.slice(0, index);
        const isAgain = wasConnected(before);
        if (state === 'CONNECTING' && isAgain) return [];
        const isHealed = state === 'SYNCED' && (isAgain || before.some(({ state }) => state === 'HEALING'));
        return {
          time,
          about: `connection/${connection.id}`,
          what: isHealed ? 'healed' : (words[state as ConnectionState] ?? state.toLowerCase()),
          who: nameOf(connection),
          detail,
          state: state as ConnectionState,
        };
      }),
    )
    .toSorted((a, b) => a.time.localeCompare(b.time));
}

const words: Readonly<Record<ConnectionState, string>> = {
  SYNCED: 'connected',
  HEALING: 'healing',
  CONNECTING: 'connecting',
  CLOSING: 'closing',
  FAILED: 'failed',
  STALE: 'stale',
  UNKNOWN: 'not seen',
};

function nameOf({ requestId, service, client }: MeshConnection): string {
  return `${client.pod || requestId} → ${service}`;
}

function lineOf(was: Thing | undefined, thing: Thing): Line | undefined {
  switch (thing.kind) {
    case 'node':
      return nodeLine(was as MeshNode | undefined, thing);
    case 'endpoint':
      return endpointLine(was as MeshEndpoint | undefined, thing);
    case 'connection':
      return connectionLine(was as MeshConnection | undefined, thing);
  }
}

function endOf(thing: Thing | undefined): Line | undefined {
  switch (thing?.kind) {
    case 'node':
      return { what: 'left', who: `node ${thing.id}`, detail: '', state: 'CLOSING' };
    case 'endpoint':
      return { what: 'withdrawn', who: endpointName(thing), detail: '', state: 'CLOSING' };
    case 'connection':
      return { what: 'closed', who: nameOf(thing), detail: thing.detail, state: 'CLOSING' };
    default:
      return undefined;
  }
}

const nodeWords: Readonly<Record<MeshNode['state'], [what: string, state: ConnectionState]>> = {
  ALIVE: ['alive', 'SYNCED'],
  DRAINED: ['drained', 'STALE'],
  STOPPED: ['stopped', 'CLOSING'],
  GONE: ['ended without a word', 'FAILED'],
};

/** Of a manager that may have been stopped: another manager says so a moment later. */
export const silence = 'does not answer';
export const answersAgain = 'answers';

function nodeLine(was: MeshNode | undefined, { id, state, unseen }: MeshNode): Line | undefined {
  const who = `node ${id}`;
  if (was && was.state === state) {
    // That a manager which has ended does not answer is no change.
    if (state === 'STOPPED' || state === 'GONE') return undefined;
    // Why it does not answer may be told in other words from one look to the next.
    const [answered, answers] = [was.unseen, unseen].map((why) => why === '' || why === notAskedYet);
    if (answered === answers) return undefined;
    return answers
      ? { what: answersAgain, who, detail: '', state: 'SYNCED' }
      : { what: silence, who, detail: unseen, state: 'UNKNOWN' };
  }
  const [what, color] = nodeWords[state];
  return { what, who, detail: '', state: color };
}

function endpointName({ name, service }: MeshEndpoint): string {
  return `endpoint ${name} of ${service}`;
}

function endpointLine(was: MeshEndpoint | undefined, now: MeshEndpoint): Line | undefined {
  const who = endpointName(now);
  if (!was) return { what: 'advertised', who, detail: `by ${now.node}`, state: 'SYNCED' };
  if (was.unavailable === now.unavailable) return undefined;
  return now.unavailable === ''
    ? { what: 'in service', who, detail: '', state: 'SYNCED' }
    : { what: 'out of service', who, detail: now.unavailable, state: 'STALE' };
}

function connectionLine(was: MeshConnection | undefined, now: MeshConnection): Line | undefined {
  const { state, detail, since, endpoint } = now;
  const line = { ...(since ? { time: since } : {}), who: nameOf(now), state };
  const moved = was !== undefined && was.endpoint.name !== endpoint.name;
  if (was && state === 'SYNCED') {
    if (was.state === 'SYNCED')
      return moved ? { ...line, what: `moved to ${endpoint.name}`, detail } : undefined;
    if (was.state === 'UNKNOWN' && !moved) return undefined;
    if (was.state !== 'CONNECTING' || wasConnected(was.history)) return { ...line, ...healed(now) };
  }
  // Of a manager that does not answer the line of its node tells; a heal that connects anew is told when it has.
  const isUntold = state === 'UNKNOWN' || (state === 'CONNECTING' && was && wasConnected(was.history));
  return isUntold || was?.state === state ? undefined : { ...line, what: words[state], detail };
}

function wasConnected(history: MeshConnection['history']): boolean {
  return history.some(({ state }) => state === 'SYNCED');
}

function healed({ endpoint }: MeshConnection): Pick<Line, 'what' | 'detail'> {
  return { what: 'healed', detail: `endpoint ${endpoint.name} on ${endpoint.node}` };
}
