// The states that each connection was in since this manager runs.
import { type Connection, detailOf, type OperatorState, stateOf } from './connection.js';

/** A state that a connection entered. */
export interface PastState {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly state: OperatorState;
  readonly detail: string;
}

/** What a connection went through since this manager knows it. */
export interface Past {
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
  /** Times that it was healed. */
  readonly heals: number;
  /** The states it was in, the latest last; of many the last. */
  readonly states: readonly PastState[];
}

/** A connection that is up after one of these was healed. */
const healedFrom: ReadonlySet<OperatorState> = new Set(['HEALING', 'FAILED']);

/** States of one connection that are remembered. */
const most = 32;

export class ConnectionHistories {
  readonly #byId = new Map<string, { readonly since: number; heals: number; readonly states: PastState[] }>();

  of(id: string): Past {
    return this.#byId.get(id) ?? { since: 0, heals: 0, states: [] };
  }

  /** @param time milliseconds since the Unix epoch. */
  note(connection: Connection, time: number): void {
    const { id } = connection;
    const past = this.#byId.get(id) ?? { since: time, heals: 0, states: [] };
    const { states } = past;
    const [state, detail] = [stateOf(connection), detailOf(connection)];
    const last = states.at(-1);
    if (last?.state === state && last.detail === detail) return;
    if (state === 'UP' && last && healedFrom.has(last.state)) past.heals++;
    states.push({ time, state, detail });
    if (states.length > most) states.shift();
    this.#byId.set(id, past);
  }

  delete(id: string): void {
    this.#byId.delete(id);
  }
}
