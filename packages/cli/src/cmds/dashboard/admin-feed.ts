// What tells the page of one manager: its admin.sock, or its TCP port as an operator asks there.
import { admin, type Channel, NsmError } from '@nsm/api';
import type { ConnectionNews, ExplainedRequest, Explanation, Look, ManagerFeed } from '@nsm/dashboard';
import { interfaceKinds } from '@nsm/sdk';
import { connectionView } from '@nsm/views/connection-view';
import { askExplanation } from '../../explanation/ask-explanation.js';
import type { AdminClient } from '../../managers/admin-client.js';
import { findConnection } from '../../managers/find-connection.js';
import type { AskedManager } from '../../managers/managers-to-ask.js';
import { CaptureFile } from '../capture/capture-file.js';
import { askStatus } from '../status/ask-status.js';
import { findingsOf } from '../status/findings.js';
import { statusView } from '../status/status-view.js';

const { REMOVED, SYNCED } = admin.ConnectionChange_Kind;

export class AdminFeed implements ManagerFeed {
  readonly where: string;
  readonly isLocal: boolean;
  readonly #channel: Channel;
  readonly #admin: AdminClient;
  readonly #explain: (thrown: unknown) => NsmError;

  constructor({ where, channel, isLocal, explain }: AskedManager) {
    this.where = where;
    this.isLocal = isLocal;
    this.#channel = channel;
    this.#admin = channel.client(admin.Admin);
    this.#explain = explain;
  }

  async look(roundTrips: boolean, signal: AbortSignal): Promise<Look> {
    const options = { signal, timeoutMs: 5000 };
    return await this.#call(async (admin) => {
      const view = statusView(await askStatus(admin, options, roundTrips));
      // The page shows connections, endpoints and other nodes themselves.
      const own = { ...view, connections: [], endpoints: [], managers: [view.manager] };
      return {
        name: view.manager.name,
        troubles: findingsOf(own, Date.now()).map(({ what, toDo }) => ({ what, toDo })),
        managers: view.managers,
        endpoints: view.endpoints,
        connections: view.connections,
      };
    });
  }

  async *watch(signal: AbortSignal): AsyncGenerator<ConnectionNews> {
    try {
      for await (const { kind, connection } of this.#admin.watchConnections({}, { signal })) {
        if (kind === SYNCED) yield { kind: 'synced' };
        else if (connection)
          yield { kind: kind === REMOVED ? 'removed' : 'put', connection: connectionView(connection) };
      }
    } catch (thrown) {
      throw this.#explain(thrown);
    }
  }

  async compare(id: string): ReturnType<ManagerFeed['compare']> {
    const { differences, roundTripUs } = await this.#call((admin) => admin.compareConnection({ id }));
    return { differences, roundTripUs: roundTripUs || null };
  }

  async explain({ service, interfaceKind, from }: ExplainedRequest): Promise<Explanation> {
    const type = interfaceKinds.find((kind) => kind === interfaceKind) ?? 'kernel';
    const asked = { interface: [{ type }], label: [], from: from === '' ? undefined : from };
    return await this.#call((admin) => askExplanation(admin, service, asked));
  }

  async capture(id: string, out: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
    await this.#call(async (admin) => {
      const file = new CaptureFile(out, await findConnection(admin, id), 0);
      try {
        for await (const { points, packets, dropped } of admin.captureConnection(
          { id, places: ['client', 'node', 'underlay', 'endpoint'], bothNodes: true },
          { signal },
        ))
          if (points.length > 0) await file.points(points);
          else await file.packets(packets, dropped);
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
      }
      await file.end();
    });
  }

  async disconnect(id: string): Promise<void> {
    const { accepted, admissionError } = await this.#call((admin) => admin.closeConnection({ id }));
    if (!accepted) throw NsmError.fromAdmissionError(admissionError, 'internal');
  }

  async drain(undo: boolean): Promise<string> {
    const reply = await this.#call((admin) => admin.drain({ undo }));
    if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'internal');
    if (undo) return 'endpoints are in service again';
    const staying =
      reply.staying.length === 0 ? '' : `; ${reply.staying.length} stay, as no other endpoint can take them`;
    return `endpoints are out of service; ${reply.moved} connections moved${staying}`;
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }

  async #call<T>(use: (admin: AdminClient) => Promise<T>): Promise<T> {
    try {
      return await use(this.#admin);
    } catch (thrown) {
      throw this.#explain(thrown);
    }
  }
}
