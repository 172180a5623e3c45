// Events on pods, which `kubectl describe pod` shows. Few, whatever happens how often: the API server has to keep them all.
import { randomBytes } from 'node:crypto';
import { type Event, events, type KubeClient } from '@nsm/kube-client';
import type { Pod } from '../pods/pod.js';

export interface PodEvent {
  readonly type: 'Normal' | 'Warning';
  /** One word for scripts, such as `Connected`. */
  readonly reason: string;
  /** What was being done, such as `Connect`. */
  readonly action: string;
  readonly note: string;
}

interface SeriesEvent extends Event {
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

interface Series {
  readonly name: string;
  count: number;
  /** Count that is told next. */
  due: number;
}

/** Events of one pod that may come at once, and the milliseconds until it may have another: as client-go has it, but fewer. */
const burst = 12;
const refillMs = 60_000;
/** Different events of one pod that are remembered, so that the same again is counted and no event of its own. */
const remembered = 32;
/** Characters; the API allows 1024. */
const maxNote = 1000;

export interface PodEventsOptions {
  /** The manager's name. */
  readonly reporter: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly onFailure: (error: unknown) => void;
}

export class PodEvents {
  readonly #client: Pick<KubeClient, 'create' | 'patch'>;
  readonly #options: PodEventsOptions;
  readonly #series = new Map<string, Map<string, Series>>();
  readonly #left = new Map<string, { tokens: number; at: number }>();

  constructor(client: Pick<KubeClient, 'create' | 'patch'>, options: PodEventsOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Never waits, and never fails. The same event again is counted, and its count told when it has doubled. */
  tell(pod: Pod, event: PodEvent): void {
    const uid = pod.metadata.uid ?? '';
    const { reason, note } = event;
    const of = this.#series.get(uid) ?? new Map<string, Series>();
    this.#series.set(uid, of);
    const key = `${reason} ${note}`;
    const known = of.get(key);
    if (known) {
      known.count++;
      if (known.count < known.due || !this.#take(uid)) return;
      known.due = known.count * 2;
      this.#update(pod, known);
      return;
    }
    if (!this.#take(uid)) return;
    const series = { name: `${pod.metadata.name}.${randomBytes(8).toString('hex')}`, count: 1, due: 2 };
    of.set(key, series);
    const [oldest] = of.keys();
    if (of.size > remembered && oldest !== undefined) of.delete(oldest);
    this.#create(pod, series, event);
  }

  /** Of a pod that has gone. */
  forget(uid: string): void {
    this.#series.delete(uid);
    this.#left.delete(uid);
  }

  #take(uid: string): boolean {
    const now = this.#options.now();
    const { tokens, at } = this.#left.get(uid) ?? { tokens: burst, at: now };
    const filled = Math.min(burst, tokens + (now - at) / refillMs);
    const left = { tokens: filled < 1 ? filled : filled - 1, at: now };
    this.#left.set(uid, left);
    return filled >= 1;
  }

  #create({ metadata }: Pod, { name }: Series, { type, reason, action, note }: PodEvent): void {
    const { reporter, onFailure } = this.#options;
    const namespace = metadata.namespace ?? 'default';
    const event: Event = {
      metadata: { name, namespace },
      eventTime: this.#microTime(),
      type,
      reason,
      action,
      note: note.slice(0, maxNote),
      regarding: {
        apiVersion: 'v1',
        kind: 'Pod',
        namespace,
        name: metadata.name,
        ...(metadata.uid ? { uid: metadata.uid } : {}),
      },
      reportingController: 'networkservicemesh.io/manager',
      reportingInstance: reporter,
    };
    this.#client.create(events, event).catch(onFailure);
  }

  #update({ metadata }: Pod, { name, count }: Series): void {
    const patch: Partial<SeriesEvent> = { series: { count, lastObservedTime: this.#microTime() } };
    this.#client
      .patch(events, { name, namespace: metadata.namespace ?? 'default' }, patch)
      .catch(this.#options.onFailure);
  }

  /** MicroTime of the API: RFC 3339 with microseconds. */
  #microTime(): string {
    return new Date(this.#options.now()).toISOString().replace('Z', '000Z');
  }
}
