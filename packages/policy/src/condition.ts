// Conditions in CEL (cel.dev): compiled when the policy is read, bounded, and asked once for each decision that comes to them.
import { CelScalar, celEnv, isCelError, mapType, parse, plan } from '@bufbuild/cel';
import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js';
import type { Subject } from '@nsm/api';
import type { Question } from './decision.js';

/** @throws Error where the condition cannot be worked out, such as a label that is not there. */
export type Condition = (question: Question) => boolean;

/** Characters, parts of the expression, and macros within each other: a decision takes microseconds. */
const bounds = { length: 1000, parts: 200, macros: 1 } as const;

const fields = mapType(CelScalar.STRING, CelScalar.DYN);
const environment = celEnv({
  variables: {
    action: CelScalar.STRING,
    service: CelScalar.STRING,
    subject: fields,
    provider: fields,
    interface: fields,
  },
});

/** What a variable has; `true`: keys of its own, as labels are. */
type Shape = true | { readonly [name: string]: Shape };
const known: { readonly [variable: string]: Shape } = {
  subject: {
    netns: {},
    inode: {},
    uid: {},
    gid: {},
    labels: true,
    manager: {},
    domain: {},
    kubernetes: { namespace: {}, service_account: {}, name: {}, labels: true },
  },
  provider: { name: {}, namespace: {}, netns: {}, uid: {}, labels: true, manager: {} },
  interface: { type: {}, parameters: true },
  action: {},
  service: {},
};

/** @throws Error in words: what cannot be read, is not known, or has the wrong type. */
export function compile(text: string): Condition {
  if (text.length > bounds.length) throw new Error(`has more than ${bounds.length} characters`);
  let expression: Expr;
  try {
    ({ expr: expression } = parse(text));
  } catch (error) {
    throw new Error(`cannot be read: ${(error as Error).message.replace(/^<input>:/, 'at ')}`);
  }
  const inspection = new Inspection();
  inspection.look(expression, new Set(), 0);
  const sample = inspection.sample();
  for (const part of inspection.calls) {
    const result = plan(environment, part)(sample);
    if (isCelError(result)) throw new Error(`cannot be worked out: ${result.message}`);
  }
  const work = plan(environment, expression);
  const tried = work(sample);
  if (isCelError(tried)) throw new Error(`cannot be worked out: ${tried.message}`);
  if (typeof tried !== 'boolean') throw new Error('is neither true nor false');
  return (question) => {
    const result = work(bindingsOf(question));
    if (isCelError(result)) throw result;
    return result === true;
  };
}

/** Walks an expression: names and fields that are not known are refused, however the rest comes out. */
class Inspection {
  /** Calls outside of macros: each is worked out by itself with the sample, so that `||` hides no mistake. */
  readonly calls: Expr[] = [];
  readonly #keys = new Set<string>(['example']);
  #parts = 0;

  look(expression: Expr | undefined, locals: ReadonlySet<string>, depth: number): Shape | undefined {
    if (!expression) return undefined;
    if (++this.#parts > bounds.parts) throw new Error(`has more than ${bounds.parts} parts`);
    const { exprKind: kind } = expression;
    switch (kind.case) {
      case 'identExpr': {
        const { name } = kind.value;
        if (locals.has(name)) return undefined;
        if (Object.hasOwn(known, name)) return known[name];
        // Names of types are values, too.
        if (/^(bool|bytes|double|int|list|map|null_type|string|type|uint)$/.test(name)) return undefined;
        throw new Error(`"${name}" is not known; known: ${Object.keys(known).join(', ')}`);
      }
      case 'selectExpr': {
        const { operand, field } = kind.value;
        return this.#field(this.look(operand, locals, depth), field);
      }
      case 'callExpr': {
        const { target, args } = kind.value;
        const shapes = [target, ...args].map((part) => this.look(part, locals, depth));
        if (locals.size === 0) this.calls.push(expression);
        const index = args[1]?.exprKind;
        const constant = index?.case === 'constExpr' ? index.value.constantKind : undefined;
        if (kind.value.function !== '_[_]' || constant?.case !== 'stringValue') return undefined;
        return this.#field(shapes[1], constant.value);
      }
      case 'listExpr':
        for (const part of kind.value.elements) this.look(part, locals, depth);
        return undefined;
      case 'structExpr':
        for (const { keyKind, value } of kind.value.entries) {
          if (keyKind.case === 'mapKey') this.look(keyKind.value, locals, depth);
          this.look(value, locals, depth);
        }
        return undefined;
      case 'comprehensionExpr': {
        if (depth >= bounds.macros)
          throw new Error('has a macro (all, exists, map, filter) within another: write one rule for each');
        const { iterVar, iterVar2, accuVar, iterRange, accuInit, loopCondition, loopStep, result } =
          kind.value;
        this.look(iterRange, locals, depth);
        const inner = new Set([...locals, iterVar, iterVar2, accuVar]);
        for (const part of [accuInit, loopCondition, loopStep, result]) this.look(part, inner, depth + 1);
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #field(shape: Shape | undefined, field: string): Shape | undefined {
    if (shape === undefined) return undefined;
    if (shape === true) {
      this.#keys.add(field);
      return undefined;
    }
    if (Object.hasOwn(shape, field)) return shape[field];
    const fields = Object.keys(shape).join(', ');
    throw new Error(`has no field "${field}" there${fields ? `; fields: ${fields}` : ''}`);
  }

  /** Has every label that the expression names. */
  sample(): ReturnType<typeof bindingsOf> {
    const labels = Object.fromEntries([...this.#keys].map((key) => [key, 'example']));
    const { subject, provider, ...rest } = bindingsOf(undefined);
    return {
      ...rest,
      subject: {
        ...subject,
        labels,
        kubernetes: { namespace: '', service_account: '', name: '', labels },
      },
      provider: { ...provider, labels },
      interface: { type: 'kernel', parameters: labels },
    };
  }
}

/** Of a user or group that is not known: 0 is root. */
const unknownId = -1;

/** CEL's whole numbers are BigInt. */
function bindingsOf(question: Question | undefined) {
  return {
    action: question?.action ?? 'request',
    service: question?.service ?? 'example',
    subject: fieldsOf(question?.subject),
    provider: {
      name: question?.provider.name ?? '',
      namespace: question?.provider.namespace || 'default',
      netns: question?.providedBy?.netns ?? '',
      uid: BigInt(question?.providedBy?.uid ?? unknownId),
      labels: question?.providedBy?.labels ?? {},
      manager: question?.providedBy?.manager ?? '',
    },
    interface: question?.interface
      ? { type: question.interface.type, parameters: question.interface.parameters }
      : { type: '', parameters: {} },
  };
}

function fieldsOf(subject: Subject | undefined) {
  const pod = subject?.kubernetes;
  return {
    netns: subject?.netns ?? '',
    inode: BigInt(subject?.inode ?? 0),
    uid: BigInt(subject?.uid ?? unknownId),
    gid: BigInt(subject?.gid ?? unknownId),
    labels: subject?.labels ?? {},
    manager: subject?.manager ?? '',
    domain: subject?.domain ?? '',
    kubernetes: {
      namespace: pod?.namespace ?? '',
      service_account: pod?.serviceAccount ?? '',
      name: pod?.name ?? '',
      labels: pod?.labels ?? {},
    },
  };
}
