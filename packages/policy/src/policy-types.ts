// A policy file as it is read, with its defaults filled in.
import type { Action } from './decision.js';
import type { Limits } from './limits.js';

/** Whole numbers, the ends included. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

/** Fits who fits all fields that are given; of the values of a field, one is enough. */
export interface Selector {
  readonly netns?: readonly string[] | undefined;
  readonly inode?: readonly Range[] | undefined;
  readonly uid?: readonly Range[] | undefined;
  readonly gid?: readonly Range[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly kubernetes?: KubernetesSelector | undefined;
  readonly manager?: readonly string[] | undefined;
  readonly domain?: readonly string[] | undefined;
}

export interface KubernetesSelector {
  readonly namespace?: readonly string[] | undefined;
  readonly service_account?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Who may provide a reserved service. */
export interface Holder extends Selector {
  /** NAME or NAMESPACE/NAME of endpoints. */
  readonly provider?: readonly string[] | undefined;
}

export interface NamespaceLabels {
  readonly netns?: readonly string[] | undefined;
  readonly inode?: readonly Range[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Rule {
  readonly name: string;
  readonly effect: 'allow' | 'deny';
  readonly actions: readonly Action[];
  readonly subjects?: readonly Selector[] | undefined;
  readonly services?: readonly string[] | undefined;
  readonly providers?: readonly string[] | undefined;
  readonly provided_by?: readonly Selector[] | undefined;
  readonly interfaces?: readonly string[] | undefined;
  readonly pools?: readonly string[] | undefined;
  /** NAME=VALUE of interface parameters that need leave. */
  readonly parameters: readonly string[];
  readonly prefixes?: readonly string[] | undefined;
  readonly routes?: readonly string[] | undefined;
  readonly limits: Limits;
  readonly when?: string | undefined;
}

export interface PolicyFile {
  readonly namespaces: readonly NamespaceLabels[];
  readonly reserve: Readonly<Record<string, readonly Holder[]>>;
  readonly rules: readonly Rule[];
}
