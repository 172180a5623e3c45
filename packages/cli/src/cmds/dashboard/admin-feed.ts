// What tells the page of one manager: its admin.sock, or its TCP port as an operator asks there.
import { admin, type Channel, NsmError } from '@nsm/api';
import type { Candidate, ConnectionNews, Look, ManagerFeed } from '@nsm/dashboard';
import { interfaceFields, interfaceKinds } from '@nsm/sdk';
import type { AdminClient } from '../../admin-client.js';
import { candidateView, connectionView } from '../../views.js';
import { findingsOf } from '../status/findings.js';
import { statusView } from '../status/status-view.js';

export interface AdminFeedOptions {
  /** For people. */
  readonly where: string;
  readonly channel: Channel;
  readonly mayChange: boolean;
  /** Says which manager was asked, where a call fails. */
  readonly explain: (thrown: unknown) => NsmError;
}

const { REMOVED, SYNCED } = admin.ConnectionChange_Kind;

export class AdminFeed implements ManagerFeed {
  readonly where: string;
  readonly mayChange: boolean;
  readonly #channel: Channel;
  readonly #admin: AdminClient;
  readonly #explain: (thrown: unknown) => NsmError;

  constructor({ where, channel, mayChange, explain }: AdminFeedOptions) {
    this.where = where;
    this.mayChange = mayChange;
    this.#channel = channel;
    this.#admin = channel.client(admin.Admin);
    this.#explain = explain;
  }

  async look(signal: AbortSignal): Promise<Look> {
    const options = { signal, timeoutMs: 5000 };
    return await this.#call(async (admin) => {
      const [status, managers, services, endpoints, connections] = await Promise.all([
        admin.getManager({}, options),
        admin.listManagers({}, options),
        admin.listServices({}, options),
        admin.listEndpoints({}, options),
        admin.listConnections({}, options),
      ]);
      const view = statusView({ status, managers, services, endpoints, connections });
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

  async explain(service: string, interfaceKind: string): Promise<readonly Candidate[]> {
    const kind = interfaceKinds.find((one) => one === interfaceKind) ?? 'kernel';
    const { candidates } = await this.#call((admin) =>
      admin.explainSelection({ networkServiceName: service, interface: [interfaceFields(kind)] }),
    );
    return candidates.map(candidateView);
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
