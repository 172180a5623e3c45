// The accepted ways to name a network namespace, and nothing else.
import { NamespaceError } from './namespace-error.js';

/** Where named namespaces live, as for `ip netns`. */
export const NAMESPACE_DIRECTORY = '/run/netns';

/** A reference taken apart. */
export type NamespaceReference =
  | { readonly kind: 'inode'; readonly inode: number }
  | { readonly kind: 'name'; readonly name: string; readonly path: string }
  | { readonly kind: 'process'; readonly pid: number | 'self'; readonly path: string };

const invalid = (reference: string, reason: string): NamespaceError =>
  new NamespaceError('invalid', reference, reason);

const INODE = /^(?:net:\[(\d+)\]|(\d+))$/;
const PROCESS = /^\/proc\/(self|[1-9]\d{0,9})\/ns\/net$/;
const NAMED = /^(?:\/var)?\/run\/netns\/(.*)$/s;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const CONTROL = /[\u0000-\u001f\u007f]/;

const parseInode = (reference: string, digits: string): NamespaceReference => {
  const inode = Number(digits);
  // The kernel gives namespaces 32-bit inode numbers (fs/nsfs.c).
  if (inode === 0 || inode > 0xffff_ffff) throw invalid(reference, 'the inode number is out of range');
  return { kind: 'inode', inode };
};

/** Checks a name for use under /run/netns. @throws NamespaceError `invalid` */
export const checkNamespaceName = (name: string): void => {
  if (name === '') throw invalid(name, 'the name is empty');
  if (name.startsWith('.')) throw invalid(name, 'the name begins with a dot');
  if (name.includes('/'))
    throw invalid(name, 'the only paths accepted are /proc/PID/ns/net and /run/netns/NAME');
  if (CONTROL.test(name)) throw invalid(name, 'the name has control characters');
  if (Buffer.byteLength(name) > 255) throw invalid(name, 'the name is longer than 255 bytes');
};

/**
 * Takes a reference apart: an inode (`4026532208`, `net:[4026532208]`), a name under /run/netns, `/proc/PID/ns/net`
 * (also `/proc/self/ns/net`), or `/run/netns/NAME` (also `/var/run/netns/NAME`). A name made of digits alone can only
 * be given by its path. @throws NamespaceError `invalid`
 */
export const parseNamespaceReference = (reference: string): NamespaceReference => {
  if (reference === '') throw invalid(reference, 'the reference is empty');
  const inode = INODE.exec(reference);
  if (inode !== null) return parseInode(reference, inode[1] ?? inode[2] ?? '');
  if (reference.startsWith('net:[')) throw invalid(reference, 'it is not net:[INODE]');
  const process = PROCESS.exec(reference);
  if (process?.[1] !== undefined) {
    const pid = process[1] === 'self' ? 'self' : Number(process[1]);
    return { kind: 'process', pid, path: reference };
  }
  const name = NAMED.exec(reference)?.[1] ?? reference;
  checkNamespaceName(name);
  return { kind: 'name', name, path: `${NAMESPACE_DIRECTORY}/${name}` };
};
