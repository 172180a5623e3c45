// The states that each connection was in since this manager runs.
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

export class ConnectionHistories {
  readonly #byId = new Map<string, PastState[]>();

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

  delete(id: string): void {
    this.#byId.delete(id);
  }
}
