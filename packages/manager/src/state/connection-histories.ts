// What each connection went through: its states, also before a restart of the manager, and the course of its last order.
import { NsmError } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { type Connection, detailOf, type OperatorState, stateOf } from './connection.js';
import type { Kept } from './kept-past.js';

export interface PastState {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly state: OperatorState;
  readonly detail: string;
}

/** What a connection went through. */
export interface Past {
  /** Milliseconds since the Unix epoch at which it was made; where that is not known any more, at which it entered the state that it was found in. */
  readonly since: number;
  readonly heals: number;
  /** The states it was in, the latest last; of many the last. */
  readonly states: readonly PastState[];
}

/** A `Past` as it is kept on the disk, and added to. */
export interface Noted extends Past {
  heals: number;
  /** Set while the connection has been in a state of `healing` and not been up since. */
  isHealing: boolean;
  readonly states: PastState[];
}

/** A connection that is up after one of these, whatever came between, was healed. */
const healing: ReadonlySet<OperatorState> = new Set(['HEALING', 'FAILED']);

/** States of one connection that are remembered. */
const most = 32;
/** Connections whose last order is remembered, the latest: each takes some 2 KiB. */
const mostCourses = 4096;

const closedMeanwhile = new NsmError('cancelled', 'the connection was closed meanwhile');

export class ConnectionHistories {
  readonly #byId = new Map<string, Noted>();
  /** By id of the connection, the latest last. */
  readonly #courses = new Map<string, Course>();
  readonly #kept: Kept<Noted>;

  /** @param kept what outlives a restart. */
  constructor(kept: Kept<Noted>) {
    this.#kept = kept;
    for (const [id, past] of kept.entries()) this.#byId.set(id, past);
  }

  of(id: string): Past {
    return this.#byId.get(id) ?? { since: 0, heals: 0, states: [] };
  }

  /** @param time milliseconds since the Unix epoch. */
  note(connection: Connection, time: number): void {
    const { id } = connection;
    // Found again after a restart, it entered its state before.
    const since = Math.min(time, connection.since);
    const past = this.#byId.get(id) ?? { since, heals: 0, isHealing: false, states: [] };
    const { states } = past;
    const [state, detail] = [stateOf(connection), detailOf(connection)];
    const last = states.at(-1);
    if (last?.state === state && last.detail === detail) return;
    if (healing.has(state)) past.isHealing = true;
    else if (state === 'UP' && past.isHealing) {
      past.isHealing = false;
      past.heals++;
    }
    states.push({ time, state, detail });
    if (states.length > most) states.shift();
    this.#byId.set(id, past);
    this.#kept.put(id, past);
  }

  courseOf(id: string): Course | undefined {
    return this.#courses.get(id);
  }

  /** An order that was under way is overtaken. */
  noteCourse(id: string, course: Course): void {
    const former = this.#courses.get(id);
    if (former !== course) former?.end(course.kind === 'close' ? closedMeanwhile : undefined);
    this.#courses.delete(id);
    this.#courses.set(id, course);
    const [oldest] = this.#courses.keys();
    if (this.#courses.size > mostCourses && oldest !== undefined) this.#courses.delete(oldest);
  }

  delete(id: string): void {
    if (this.#byId.delete(id)) this.#kept.put(id, undefined);
    this.#courses.delete(id);
  }
}
