// Reads `kernel://secure-gateway/nsm-1?color=blue, mem://fast`. The grammar is in docs/kubernetes.md.
import {
  type InterfaceWord,
  isLabelKey,
  isLabelValue,
  isName,
  labelKeyRule,
  labelValueRule,
  nameRule,
  whyNoInterfaceName,
  interfaceWords as wordsByType,
} from '@nsm/api';
import { type Attachment, type AttachmentMode, attachmentKey, type Problem } from './attachment.js';
import { type Part, partOf } from './part.js';

/** Either all that it asks for, or all that is wrong. */
export interface ParsedAnnotation {
  /** Empty where there is a problem: half of an annotation is nobody's wish. */
  readonly attachments: readonly Attachment[];
  readonly problems: readonly Problem[];
}

const interfaceWords: readonly string[] = Object.values(wordsByType);
/** Types as the original Network Service Mesh names them. */
const foreignTypes: Readonly<Record<string, InterfaceWord>> = { memif: 'mem', vfio: 'sriov' };
/** In the original, the name of a pool of virtual functions, DOMAIN/POOL. */
const sriovToken = 'sriovToken';
const modes: readonly AttachmentMode[] = ['node', 'init', 'sidecar'];
/** Characters: an interface parameter may have no more. */
const maxParameterLength = 253;
/** A pod has a few; each is a connection that is made at once. */
export const maxAttachments = 64;

interface Context {
  /** The mesh's own domain, which `service@domain` may name. */
  readonly domain: string;
  readonly problem: (at: Part, message: string) => undefined;
}

/**
 * @param text value of the annotation. Of nothing but white space: nothing is asked for.
 * @param domain the mesh's own domain, which `service@domain` may name.
 */
export function parseAnnotation(text: string, domain = 'nsm'): ParsedAnnotation {
  const problems: Problem[] = [];
  const problem = ({ start }: Part, message: string): undefined => {
    problems.push({ column: [...text.slice(0, start)].length + 1, message });
  };
  const whole = partOf(text).trim();
  if (whole.text === '') return { attachments: [], problems };
  const attachments: Attachment[] = [];
  const keys = new Set<string>();
  const names = new Set<string>();
  const entries = whole.split(',');
  if (entries.length > maxAttachments)
    problem(whole, `${entries.length} connections; at most ${maxAttachments} are made for one pod`);
  for (const entry of entries) {
    const attachment = readEntry(entry.trim(), { domain, problem });
    if (!attachment) continue;
    const { service, interfaceName } = attachment;
    if (interfaceName !== undefined && names.has(interfaceName))
      problem(entry.trim(), `interface "${interfaceName}" is named twice`);
    else if (keys.has(attachmentKey(attachment)))
      problem(entry.trim(), `"${service}" is asked for twice: name the interfaces, such as ${service}/nsm-2`);
    if (interfaceName !== undefined) names.add(interfaceName);
    keys.add(attachmentKey(attachment));
    attachments.push(attachment);
  }
  return problems.length > 0 ? { attachments: [], problems } : { attachments, problems };
}

/** `[TYPE://]SERVICE[@DOMAIN][/INTERFACE][?LABELS][#PARAMETERS]`. Undefined where a problem was told. */
function readEntry(entry: Part, context: Context): Attachment | undefined {
  const { problem } = context;
  if (entry.text === '')
    return problem(
      entry,
      'there is no network service here: write one such as kernel://secure-gateway/nsm-1',
    );
  const [beforeHash, parameterPart] = entry.cut('#');
  const [address, queryPart] = beforeHash.cut('?');
  const [scheme, location] = address.text.includes('://') ? address.cut('://') : [undefined, address];
  const [host, interfacePart] = (location ?? address).cut('/');
  const [service, domain] = host.cut('@');
  const word = scheme ? (foreignTypes[scheme.text] ?? scheme.text) : 'kernel';
  const { labels, mode, token } = readQuery(queryPart, context);
  const parameters = readParameters(parameterPart, context);
  if (scheme && !isType(word))
    return problem(scheme, `"${scheme.text}" is no type of interface; types: ${interfaceWords.join(', ')}`);
  if (!isName(service.text)) return problem(service, `the name of a network service ${nameRule}`);
  if (domain && domain.text !== context.domain)
    return problem(
      domain,
      `"${domain.text}" is another domain, and this mesh is "${context.domain}": let an endpoint of that domain be registered here`,
    );
  const name = interfacePart?.text;
  const why = name?.includes('%') ? 'has a "%"' : name === undefined ? '' : whyNoInterfaceName(name);
  if (interfacePart && why !== '') return problem(interfacePart, `"${name}" ${why}`);
  return {
    service: service.text,
    type: token === undefined ? (word as InterfaceWord) : 'sriov',
    ...(interfacePart ? { interfaceName: interfacePart.text } : {}),
    labels,
    parameters: token === undefined ? parameters : { ...parameters, pool: token },
    mode,
  };
}

function readQuery(
  query: Part | undefined,
  { problem }: Context,
): { labels: Record<string, string>; mode: AttachmentMode; token?: string } {
  const given = new Map<string, string>();
  for (const { key, value, at, valueAt } of pairs(query, problem)) {
    if (key === 'mode') {
      if (!isMode(value)) problem(valueAt, `mode "${value}" is not known; modes: ${modes.join(', ')}`);
    } else if (!isLabelKey(key)) problem(at, `the key of a label ${labelKeyRule}`);
    else if (key !== sriovToken && !isLabelValue(value))
      problem(valueAt, `the value of a label ${labelValueRule}`);
    if (given.has(key)) problem(at, `"${key}" is given twice`);
    given.set(key, value);
  }
  const { mode = 'node', [sriovToken]: token, ...labels } = Object.fromEntries(given);
  return {
    labels,
    mode: isMode(mode) ? mode : 'node',
    ...(token === undefined ? {} : { token: token.slice(token.lastIndexOf('/') + 1) }),
  };
}

function readParameters(part: Part | undefined, { problem }: Context): Record<string, string> {
  const parameters = new Map<string, string>();
  for (const { key, value, at } of pairs(part, problem)) {
    if (key === 'name')
      problem(at, 'the name of the interface comes after the network service: SERVICE/NAME');
    else if (!/^[\w.-]{1,253}$/.test(key)) problem(at, `"${key}" is no parameter of an interface`);
    else if (/\p{C}/u.test(value) || value.length > maxParameterLength)
      problem(at, `parameter "${key}" has control characters or more than ${maxParameterLength} others`);
    else if (parameters.has(key)) problem(at, `parameter "${key}" is given twice`);
    parameters.set(key, value);
  }
  return Object.fromEntries(parameters);
}

interface Pair {
  readonly key: string;
  readonly value: string;
  readonly at: Part;
  readonly valueAt: Part;
}

/** `KEY=VALUE&KEY=VALUE`, with %XX for what has a meaning in the grammar. */
function* pairs(part: Part | undefined, problem: Context['problem']): Generator<Pair> {
  if (!part) return;
  for (const at of part.split('&')) {
    const [keyPart, valueAt] = at.cut('=');
    const [key, value] = [decoded(keyPart), decoded(valueAt ?? keyPart)];
    if (keyPart.text === '' || !valueAt) problem(at, 'write KEY=VALUE');
    else if (key === undefined) problem(keyPart, '"%" must be followed by two hexadecimal digits of UTF-8');
    else if (value === undefined) problem(valueAt, '"%" must be followed by two hexadecimal digits of UTF-8');
    else yield { key, value, at, valueAt };
  }
}

function decoded({ text }: Part): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function isMode(word: string): word is AttachmentMode {
  return (modes as readonly string[]).includes(word);
}

function isType(word: string): word is InterfaceWord {
  return interfaceWords.includes(word);
}
