// What becomes of a pod's connections, told on the pod: annotation, condition and Events.
import type { NsmError } from '@nsm/api';
import type { KubeClient } from '@nsm/kube-client';
import { type Connection, detailOf, type OperatorState, stateOf } from '@nsm/manager';
import { conditionOf, hasGate, type Pod, statusAnnotation } from '../pods/pod.js';
import type { Wanted } from './plan.js';
import type { PodEvents } from './pod-events.js';
import type { Situation } from './pod-status.js';
import { StatusWriter, type Told } from './status-writer.js';

export interface PodTellerComponents {
  readonly client: Pick<KubeClient, 'apply'>;
  readonly events: PodEvents;
  /** Called when the pod is to be told again. */
  readonly onReady: () => void;
  readonly onFailure: (error: unknown) => void;
}

interface KnownState {
  readonly state: OperatorState;
  readonly service: string;
}

export class PodTeller {
  readonly #events: PodEvents;
  readonly #status: StatusWriter;
  readonly #onFailure: (error: unknown) => void;
  /** By key of the connection; undefined before the first look, which finds what was there before this manager. */
  #states: ReadonlyMap<string, KnownState> | undefined;
  #complaint = '';

  constructor({ client, events, onReady, onFailure }: PodTellerComponents) {
    this.#events = events;
    this.#onFailure = onFailure;
    this.#status = new StatusWriter({ client, onReady, onFailure });
  }

  /** Whether the pod is told something, though it asks for nothing: it has a gate, or it has been told before. */
  concerns(pod: Pod): boolean {
    return (
      hasGate(pod) ||
      pod.metadata.annotations?.[statusAnnotation] !== undefined ||
      (this.#states?.size ?? 0) > 0
    );
  }

  tell(pod: Pod, own: readonly Connection[], told: Told, { wish, obstacle }: Situation): void {
    this.#complain(pod, wish.problems.length > 0 ? (told.condition.message ?? '') : (obstacle ?? ''));
    this.#follow(pod, own);
    // What only begins is told when something has come of it.
    const begins = told.condition.reason === 'Connecting' && conditionOf(pod)?.status !== 'True';
    if (!begins || told.text !== undefined) this.#status.tell(pod, told);
  }

  failed(pod: Pod, { networkServiceName: service }: Wanted, error: NsmError): void {
    this.#events.tell(pod, {
      type: 'Warning',
      reason: 'ConnectFailed',
      action: 'Connect',
      note: `${service}: ${error.toAdmissionError()}`,
    });
  }

  surprised(error: unknown): void {
    this.#onFailure(error);
  }

  stop(): void {
    this.#status.stop();
  }

  #complain(pod: Pod, complaint: string): void {
    if (complaint !== '' && complaint !== this.#complaint)
      this.#events.tell(pod, {
        type: 'Warning',
        reason: 'CannotConnect',
        action: 'Connect',
        note: complaint,
      });
    this.#complaint = complaint;
  }

  #follow(pod: Pod, own: readonly Connection[]): void {
    const before = this.#states;
    const now = new Map(own.map((one) => [one.key, { state: stateOf(one), service: one.service }]));
    this.#states = now;
    if (!before) return;
    for (const connection of own) {
      const event = changeEvent(before.get(connection.key)?.state, connection);
      if (event) this.#events.tell(pod, event);
    }
    for (const [key, { service }] of before)
      if (!now.has(key))
        this.#events.tell(pod, {
          type: 'Normal',
          reason: 'Disconnected',
          action: 'Disconnect',
          note: service,
        });
  }
}

/** Undefined where there is nothing new to tell. */
function changeEvent(
  before: OperatorState | undefined,
  connection: Connection,
): Parameters<PodEvents['tell']>[1] | undefined {
  const state = stateOf(connection);
  const { service, endpoint, clientParameters: given } = connection;
  if (state === before) return undefined;
  const where = [given.interfaceName, ...given.addresses].filter((part) => part !== '').join(', ');
  const detail = detailOf(connection);
  if (state === 'UP')
    return before === 'HEALING' || before === 'FAILED'
      ? {
          type: 'Normal',
          reason: 'Healed',
          action: 'Heal',
          note: `${service}: served by ${endpoint.name}, ${where}`,
        }
      : {
          type: 'Normal',
          reason: 'Connected',
          action: 'Connect',
          note: `${service}: served by ${endpoint.name}, ${where}`,
        };
  if (state === 'HEALING')
    return { type: 'Warning', reason: 'Healing', action: 'Heal', note: `${service}: ${detail}` };
  if (state === 'FAILED')
    return { type: 'Warning', reason: 'HealFailed', action: 'Heal', note: `${service}: ${detail}` };
  return undefined;
}
