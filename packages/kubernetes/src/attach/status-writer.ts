// Tells one pod what it has: one call for annotation and condition, and none where the pod has been told already.
import { type Condition, type KubeClient, KubeError } from '@nsm/kube-client';
import { conditionOf, hasGate, type Pod, pods, statusAnnotation } from '../pods/pod.js';

/** Milliseconds between two calls: what changes faster is told together. */
const leastPauseMs = 200;
/** Milliseconds before it is tried again. */
const firstPauseMs = 500;
const lastPauseMs = 30_000;

export interface Told {
  /** Undefined: the pod has no such annotation. */
  readonly text: string | undefined;
  readonly condition: Condition;
}

export interface StatusWriterComponents {
  readonly client: Pick<KubeClient, 'apply'>;
  /** Called when it can be told again. */
  readonly onReady: () => void;
  readonly onFailure: (error: unknown) => void;
}

export class StatusWriter {
  readonly #components: StatusWriterComponents;
  /** The pod as the last call left it: the copy that the watch keeps comes later. */
  #written: Pod | undefined;
  #busy = false;
  #pauseMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(components: StatusWriterComponents) {
    this.#components = components;
  }

  /** Writes if it may now; else `onReady` is called when it may. */
  tell(pod: Pod, told: Told): void {
    if (this.#busy || isTold(newer(pod, this.#written), told)) return;
    this.#busy = true;
    void this.#write(pod, told);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#busy = true;
  }

  async #write(pod: Pod, { text, condition }: Told): Promise<void> {
    const { client, onFailure } = this.#components;
    const { name, namespace, uid } = pod.metadata;
    let pauseMs = leastPauseMs;
    try {
      // By the subresource, which may change annotations too: who may tell what pods have need not be allowed to change pods.
      this.#written = await client.apply(
        pods,
        {
          metadata: {
            name,
            ...(namespace === undefined ? {} : { namespace }),
            ...(uid === undefined ? {} : { uid }),
            annotations: text === undefined ? {} : { [statusAnnotation]: text },
          },
          ...(hasGate(pod)
            ? { status: { conditions: [{ ...condition, lastTransitionTime: transitionOf(pod, condition) }] } }
            : {}),
        },
        { subresource: 'status' },
      );
      this.#pauseMs = 0;
    } catch (error) {
      this.#pauseMs = Math.min(lastPauseMs, Math.max(firstPauseMs, this.#pauseMs * 2));
      pauseMs = this.#pauseMs;
      // A pod that has gone need not know.
      if (!(error instanceof KubeError && error.status === 404)) onFailure(error);
    }
    this.#timer = setTimeout(() => {
      this.#busy = false;
      this.#components.onReady();
    }, pauseMs);
    this.#timer.unref();
  }
}

function isTold(pod: Pod, { text, condition }: Told): boolean {
  if (pod.metadata.annotations?.[statusAnnotation] !== text) return false;
  if (!hasGate(pod)) return true;
  const { status, reason, message } = conditionOf(pod) ?? {};
  return status === condition.status && reason === condition.reason && message === condition.message;
}

/** The version is a number that grows: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions */
function newer(pod: Pod, other: Pod | undefined): Pod {
  const version = ({ metadata }: Pod): bigint =>
    BigInt(/^\d+$/.exec(metadata.resourceVersion ?? '')?.[0] ?? 0);
  return other && other.metadata.uid === pod.metadata.uid && version(other) > version(pod) ? other : pod;
}

/** Of RFC 3339, to the second, as all conditions have it; it stays where the status does. */
function transitionOf(pod: Pod, { status }: Condition): string {
  const before = conditionOf(pod);
  const kept = before?.status === status ? before.lastTransitionTime : undefined;
  return kept ?? new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
