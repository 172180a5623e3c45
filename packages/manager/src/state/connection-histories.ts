// What each connection went through since this manager runs: its states, and the course of its last order.
import { NsmError } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { type Connection, detailOf, type OperatorState, stateOf } from './connection.js';

/** A state that a connection entered. */
export interface PastState {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly state: OperatorState;
  readonly detail: string;
}

/** States of one connection that are remembered. */
const most = 32;
/** Connections whose last order is remembered, the latest: each takes some 2 KiB. */
const mostCourses = 4096;

const closedMeanwhile = new NsmError('cancelled', 'the connection was closed meanwhile');

export class ConnectionHistories {
  readonly #byId = new Map<string, PastState[]>();
  /** By id of the connection, the latest last. */
  readonly #courses = new Map<string, Course>();

  /** The latest last. */
  of(id: string): readonly PastState[] {
    return this.#byId.get(id) ?? [];
  }

  /** @param time milliseconds since the Unix epoch. */
  note(connection: Connection, time: number): void {
    const { id } = connection;
    const history = this.#byId.get(id) ?? [];
    const [state, detail] = [stateOf(connection), detailOf(connection)];
    const last = history.at(-1);
    if (last?.state === state && last.detail === detail) return;
    history.push({ time, state, detail });
    if (history.length > most) history.shift();
    this.#byId.set(id, history);
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
    this.#byId.delete(id);
    this.#courses.delete(id);
  }
}
