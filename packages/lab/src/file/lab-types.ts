// What a lab file says, as it is read.

export type Options = Readonly<Record<string, FlagValue | readonly FlagValue[]>>;
export type FlagValue = string | boolean;
export type Texts = Readonly<Record<string, string>>;

/** A lab file with its defaults filled in. Names that are optional here get theirs in the plan. */
export interface LabFile {
  readonly name: string;
  /** Joins the nodes. Nothing of it is in the host's own network namespace. */
  readonly underlay: { readonly prefix: string; readonly mtu: number };
  readonly nodes: Readonly<Record<string, LabNode>>;
  readonly pods: Readonly<Record<string, LabPod>>;
  /** Namespaces that are neither node nor pod: the world behind a gateway. */
  readonly outside: Readonly<Record<string, LabOutside>>;
  /** Switches, each with the devices of nodes that are plugged into it: what stands in for physical networks. */
  readonly networks: Readonly<Record<string, LabNetwork>>;
  readonly endpoints: readonly LabEndpoint[];
  readonly clients: readonly LabClient[];
  /** What must answer besides every connection. */
  readonly checks: readonly LabCheck[];
  /** Whether a TCP stream is sent through every connection, half a second each. */
  readonly throughput: boolean;
}

export interface LabNode {
  /** On the underlay. Default: the next one free. */
  readonly address?: string | undefined;
  readonly port: number;
  /** Default: `embedded:` on the first node, `nsm://` the first node on the others. */
  readonly registry?: string | undefined;
  /** Further flags of `nsm manager`. */
  readonly options: Options;
  readonly environment: Texts;
}

export interface LabPod {
  readonly node: string;
  /** Outside hosts it has a link to; the interface carries the host's name. */
  readonly links: readonly string[];
}

export interface LabOutside {
  /** The host has the first address of each, linked pods the next ones. */
  readonly prefix: readonly string[];
  readonly mtu: number;
}

/** Names of devices by node. */
export type LabNetwork = Readonly<Record<string, readonly string[]>>;

export interface LabEndpoint {
  readonly pod: string;
  readonly kind: string;
  /** Default: the kind. */
  readonly service?: string | undefined;
  /** Default: the pod's name. */
  readonly name?: string | undefined;
  readonly labels: Texts;
  /** Further flags of `nsm endpoint KIND`. */
  readonly options: Options;
  readonly environment: Texts;
}

export interface LabClient {
  readonly pod: string;
  readonly service: string;
  /** Default: LAB-POD. */
  readonly request_id?: string | undefined;
  readonly interface?: string | undefined;
  /** What this machine cannot do is shown, with the reason, and is no failure. */
  readonly optional: boolean;
  readonly labels: Texts;
  /** Further flags of `nsm connect`. */
  readonly options: Options;
  readonly environment: Texts;
}

export interface LabCheck {
  readonly from: string;
  readonly to: string;
}
