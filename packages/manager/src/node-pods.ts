// The pods of this node, as the parts of a manager know them: there where Kubernetes runs them.
import type { connect, KubernetesPod } from '@nsm/api';
import type { Connection } from './state/connection.js';
import type { ConnectionChange } from './state/connection-table.js';

export interface NodePod {
  readonly uid: string;
  /** What policies may know of it. */
  readonly facts: KubernetesPod;
}

/** Where a pod is, and as whom its application runs. */
export interface NamedPod {
  /** Of its network namespace; 0 where it has none of its own, or none yet. */
  readonly inode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What knows the pods of this node, and asks for connections in their name. */
export interface NodePods {
  /** The pod that has a network namespace, by its inode; undefined where none has it, the node's own included. */
  podIn(inode: number): NodePod | undefined;
  has(uid: string): boolean;
  /** A pod of this node by its name, `namespace/name`. */
  named(name: string): NamedPod | undefined;
  /** Called once, when connections can be asked for. Resolves within seconds, whether the pods are known by then or not. */
  start(port: PodPort): Promise<void>;
  stop(): Promise<void>;
}

/** A process in a pod, that stands for the pod. */
export interface PodProcess {
  readonly pid: number;
  /** Clock ticks since the machine started: with the pid, an identity. */
  readonly startTime: number;
  /** User and group that the pod's application runs as. */
  readonly uid: number;
  readonly gid: number;
}

/** What a pod asks for: all of a request but whom it is for. */
export type PodRequest = Pick<
  connect.ConnectionRequest,
  'requestId' | 'networkServiceName' | 'interface' | 'labels'
>;

/** How connections are had for pods, within the manager's process. Each call can do what the pod itself could do, and no more. */
export interface PodPort {
  readonly stopping: AbortSignal;
  /** Folders with the sockets that pods may call, and no others: one for each container. */
  readonly socketFolders: readonly string[];
  connections(): Iterable<Connection>;
  /** As `ConnectionTable.watch`. */
  watch(signal: AbortSignal): AsyncGenerator<ConnectionChange>;
  /** Calls the listener for each endpoint that comes or changes, with the name of its network service. */
  onEndpoint(listener: (service: string) => void): Disposable;
  /** @throws NsmError for every refusal, and when the signal aborts; then nothing of the connection is left. */
  attach(process: PodProcess, request: PodRequest, signal: AbortSignal): Promise<Connection>;
  /** Closes a connection that `attach` has made; another is left alone. */
  detach(connection: Connection, reason: string): Promise<void>;
  /** What policies may know of the pod in a network namespace has changed. */
  factsChanged(inode: number): void;
}
