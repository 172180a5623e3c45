// What was found of the ways to other nodes: some carry less than the MTU of connections says.
import { senderOf } from '../sender.js';
import type { Connection } from '../state/connection.js';

/** By manager and kind of tunnel, bytes of the pod's largest packet that came back. */
export class NarrowWays {
  readonly #carries = new Map<string, number>();

  /** Bytes that come back of a connection's packets; undefined where its MTU comes back, or nothing is known of it. */
  carriesOf(connection: Connection): number | undefined {
    const carries = this.#carries.get(wayOf(connection));
    return carries !== undefined && carries < mtuOf(connection) ? carries : undefined;
  }

  get size(): number {
    return this.#carries.size;
  }

  /** @param carries undefined: all that was tried came back. */
  note(connection: Connection, carries: number | undefined): void {
    if (carries === undefined) this.#carries.delete(wayOf(connection));
    else this.#carries.set(wayOf(connection), carries);
  }
}

/** Bytes; 0 where there is no device on this node. */
export function mtuOf(connection: Connection): number {
  return senderOf(connection)?.port.mtu ?? 0;
}

/** Connections with the same kind of tunnel to the same node share a way. */
export function wayOf({ peer, tunnel }: Connection): string {
  return `${peer?.manager} ${tunnel?.type}`;
}
