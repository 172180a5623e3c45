// A lab as its author writes it: one YAML file, read, checked, and its defaults filled in.
import { readFileSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import { isMap, LineCounter, parseDocument } from 'yaml';
import { problemsOf } from './lab-problems.js';
import { labSchema } from './lab-schema.js';

export type Scalar = string | number | boolean;
/** Flags of a command without their dashes; `true` for one that takes no value. */
export type Options = Readonly<Record<string, Scalar | readonly Scalar[]>>;
export type Variables = Readonly<Record<string, Scalar>>;
export type Labels = Readonly<Record<string, string>>;

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
  readonly environment: Variables;
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
  readonly labels: Labels;
  /** Further flags of `nsm endpoint KIND`. */
  readonly options: Options;
  readonly environment: Variables;
}

export interface LabClient {
  readonly pod: string;
  readonly service: string;
  /** Default: LAB-POD. */
  readonly request_id?: string | undefined;
  readonly interface?: string | undefined;
  /** What this machine cannot do is shown, with the reason, and is no failure. */
  readonly optional: boolean;
  readonly labels: Labels;
  /** Further flags of `nsm connect`. */
  readonly options: Options;
  readonly environment: Variables;
}

export interface LabCheck {
  readonly from: string;
  readonly to: string;
}

/** Something wrong at one place of the file. */
export interface LabProblem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** Reads and checks a lab file. @throws NsmError `not-found` or `invalid`, naming every problem with its line */
export function readLabFile(path: string): LabFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new NsmError(
      'not-found',
      code === 'ENOENT' ? `there is no lab file ${path}` : `cannot read the lab file: ${message}`,
      error,
    );
  }
  return parseLabFile(text, path);
}

/** Reads and checks the text of a lab file; `name` is how errors call it. @throws NsmError `invalid` */
export function parseLabFile(text: string, name: string): LabFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0)
    throw new NsmError(
      'invalid',
      document.errors.map((error) => `${name}:${error.linePos?.[0].line ?? 1}: ${error.message}`).join('\n'),
    );
  const value: unknown = document.toJS();
  const parsed = labSchema.safeParse(value);
  const problems = problemsOf(parsed, value);
  if (problems.length === 0 && parsed.success) return parsed.data;
  // A missing key has no line of its own: that of the nearest thing around it is given.
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const parent = document.getIn(path.slice(0, length - 1), true) ?? document.contents;
      const key = path[length - 1];
      const pair = isMap(parent) ? parent.items.find((item) => String(item.key) === String(key)) : undefined;
      const node = (pair?.key ?? document.getIn(path.slice(0, length), true)) as
        | { range?: number[] }
        | undefined;
      if (node?.range) return lines.linePos(node.range[0] ?? 0).line;
    }
    return 1;
  };
  throw new NsmError(
    'invalid',
    problems
      .map(({ path, text }) => ({ line: lineOf(path), text }))
      .sort((a, b) => a.line - b.line)
      .map(({ line, text }) => `${name}:${line}: ${text}`)
      .join('\n'),
  );
}
