// Brings one pod to what it asks for. Everything that happens marks it; then it looks at what there is, begins what is missing, and waits
// for nothing.
import { equals } from '@bufbuild/protobuf';
import { InterfaceSchema, LabelSchema, type NsmError } from '@nsm/api';
import type { Connection, PodPort } from '@nsm/manager';
import { attachmentKey } from '../annotation/attachment.js';
import { type Wish, wishOf } from '../annotation/merge-annotations.js';
import { hasEnded, type Pod, userOfPod } from '../pods/pod.js';
import type { PodDirectory } from '../pods/pod-directory.js';
import type { Sandbox } from '../pods/sandboxes.js';
import { Attempts, keyOf } from './attempts.js';
import { type Held, planFor, type Wanted } from './plan.js';
import { podConnections, usableConnections } from './pod-connections.js';
import { conditionFor, type Situation, statusText } from './pod-status.js';
import type { PodTeller } from './pod-teller.js';

/** Milliseconds between two looks for the network of a pod that has none yet: kubelet makes it when volumes and images allow. */
const firstLookMs = 20;
const lastLookMs = 1000;
/** Looks after which the pod is told that its network is not found: about ten seconds. */
const looksBeforeTold = 15;

export interface PodWorkerComponents {
  readonly port: PodPort;
  readonly directory: PodDirectory;
  /** The mesh's own domain. */
  readonly domain: string;
  /** Of this pod. */
  readonly teller: PodTeller;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface HeldConnection extends Held {
  readonly connection?: Connection;
}

export class PodWorker {
  readonly #uid: string;
  readonly #components: PodWorkerComponents;
  readonly #attempts: Attempts;
  /** Ids of connections that are being closed. */
  readonly #closing = new Set<string>();
  #looks = 0;
  #marked = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(uid: string, components: PodWorkerComponents) {
    this.#uid = uid;
    this.#components = components;
    this.#attempts = new Attempts({
      attach: (process, wanted, signal) => components.port.attach(process, wanted, signal),
      onEnd: (wanted, error) => {
        const pod = components.directory.get(uid);
        if (pod && error && !this.#stopped) components.teller.failed(pod, wanted, error);
        this.mark();
      },
      now: components.now,
    });
  }

  /** Something may have changed for the pod. */
  mark(): void {
    if (this.#marked || this.#stopped) return;
    this.#marked = true;
    queueMicrotask(() => {
      this.#marked = false;
      if (!this.#stopped) this.#look();
    });
  }

  /** An endpoint of a service has come. */
  hurry(service: string): void {
    if (this.#attempts.hurry(service)) this.mark();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#attempts.stop();
    this.#components.teller.stop();
  }

  /** The pod has gone, and so have its connections, if they are not left to stand in its namespace. */
  end(): void {
    this.stop();
    for (const connection of this.#components.port.connections())
      if (connection.owner?.annotated && connection.requestId.startsWith(this.#uid))
        this.#close(connection, 'its pod has gone');
  }

  #look(): void {
    const { directory, domain, port, teller } = this.#components;
    clearTimeout(this.#timer);
    const pod = directory.get(this.#uid);
    const common = directory.annotationsOf(pod?.metadata.namespace ?? '');
    if (!pod || !common || hasEnded(pod)) return;
    const wish = wishOf(pod.metadata.annotations ?? {}, common, domain);
    const asks = wish.attachments.length > 0 || wish.problems.length > 0;
    if (!asks && !teller.concerns(pod) && !this.#hasAny()) return;
    const sandbox = directory.sandboxOf(pod);
    if (!sandbox && pod.metadata.deletionTimestamp !== undefined) return;
    const own = sandbox ? podConnections(port.connections(), sandbox.inode) : [];
    const usable = sandbox ? usableConnections(port.connections(), sandbox.inode) : [];
    const obstacle = asks && !sandbox ? this.#obstacleOf(pod) : undefined;
    if (obstacle === 'not yet') return;
    if (sandbox) this.#looks = 0;
    const failures =
      sandbox && wish.problems.length === 0
        ? this.#carryOut(pod, sandbox, wish, own)
        : new Map<string, NsmError>();
    const situation: Situation = {
      wish,
      connections: connectionsBy(wish, usable),
      failures,
      ...(obstacle === undefined ? {} : { obstacle }),
    };
    teller.tell(pod, usable, { text: statusText(usable), condition: conditionFor(situation) }, situation);
    const next = this.#attempts.untilNext();
    if (next !== undefined) this.#lookAgain(next);
  }

  /** @returns why what is asked for is not there, by what of the annotation it is for. */
  #carryOut(
    pod: Pod,
    sandbox: Sandbox,
    wish: Wish,
    own: readonly Connection[],
  ): ReadonlyMap<string, NsmError> {
    const attachments = wish.attachments.filter(({ mode }) => mode === 'node');
    const { attach, detach, kept } = planFor(
      this.#uid,
      attachments,
      this.#held(own),
      own.filter(({ owner }) => !owner?.annotated),
    );
    const wanted = [...attach.values()];
    // What is under way under the same id for another wish ends first.
    this.#attempts.keepOnly(new Set([...kept.values()].map((one) => `${one.service} ${one.requestId}`)));
    for (const { connection } of detach)
      if (connection) this.#close(connection, "the pod's annotation does not ask for it any more");
    // What is wanted may be to have the name of an interface that is going.
    if (this.#closing.size === 0) {
      const { pid, startTime } = sandbox;
      this.#attempts.want({ pid, startTime, ...userOfPod(pod) }, wanted, isSame);
    }
    return new Map(
      [...attach].flatMap(([key, one]) => {
        const error = this.#attempts.failureOf(one);
        return error ? [[key, error] as const] : [];
      }),
    );
  }

  /** What the pod has by its annotation, or will have when what is under way has ended. */
  #held(own: readonly Connection[]): HeldConnection[] {
    const running = this.#attempts.running();
    const keys = new Set(running.map(keyOf));
    const connections = own.filter(
      ({ owner, service, requestId, id }) =>
        owner?.annotated && !keys.has(`${service} ${requestId}`) && !this.#closing.has(id),
    );
    return [
      ...connections.map((connection) => ({
        requestId: connection.requestId,
        service: connection.service,
        request: connection.request,
        connection,
      })),
      ...running.map((wanted) => ({
        requestId: wanted.requestId,
        service: wanted.networkServiceName,
        request: wanted,
      })),
    ];
  }

  /** Whether there is anything that an annotation once asked for. */
  #hasAny(): boolean {
    if (this.#attempts.running().length > 0) return true;
    for (const { owner, requestId } of this.#components.port.connections())
      if (owner?.annotated && requestId.startsWith(this.#uid)) return true;
    return false;
  }

  #close(connection: Connection, reason: string): void {
    const { id } = connection;
    if (this.#closing.has(id)) return;
    this.#closing.add(id);
    this.#components.port
      .detach(connection, reason)
      .catch((error: unknown) => this.#components.teller.surprised(error))
      .finally(() => {
        this.#closing.delete(id);
        this.mark();
      });
  }

  /** Why the pod cannot be connected; `not yet`: it is looked at again. */
  #obstacleOf({ spec }: Pod): string {
    if (spec.hostNetwork)
      return "the pod has the node's own network (hostNetwork), whose traffic is not a pod's to redirect (NSM0103)";
    const pauseMs = Math.min(lastLookMs, firstLookMs * 2 ** Math.min(this.#looks, 10));
    this.#looks++;
    this.#lookAgain(pauseMs);
    if (this.#looks < looksBeforeTold) return 'not yet';
    return this.#components.directory.seesCgroups
      ? 'the pod has no network yet: no process is in its cgroup'
      : 'the cgroups of kubelet are not seen here: run the manager with hostPID: true and CAP_SYS_PTRACE (NSM0603)';
  }

  #lookAgain(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.mark(), afterMs);
    this.#timer.unref();
  }
}

/** The connections that a pod has, by what of its annotation they are for. */
function connectionsBy({ attachments }: Wish, own: readonly Connection[]): ReadonlyMap<string, Connection> {
  return new Map(
    attachments.flatMap((attachment) => {
      const { service, interfaceName } = attachment;
      const found = own.find(
        (one) =>
          one.service === service &&
          (interfaceName === undefined ||
            one.clientParameters.interfaceName === interfaceName ||
            nameAsked(one) === interfaceName),
      );
      return found ? [[attachmentKey(attachment), found] as const] : [];
    }),
  );
}

function nameAsked({ request }: Connection): string | undefined {
  return request?.interface[0]?.parameters?.interfaceParameters.name;
}

function isSame(one: Wanted, other: Wanted): boolean {
  return (
    equals(LabelSchema, one.labels, other.labels) &&
    one.interface.length === other.interface.length &&
    one.interface.every((wish, index) => {
      const also = other.interface[index];
      return also !== undefined && equals(InterfaceSchema, wish, also);
    })
  );
}
