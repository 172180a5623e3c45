// The capabilities that a forwarder needs: what each is for, and which this process lacks.
import { NsmError } from '@nsm/api';
import { hasCapability } from '@nsm/netlink';

/** Without these there is no forwarder. */
const required = {
  CAP_NET_ADMIN: 'makes interfaces and routes',
  CAP_NET_BROADCAST: 'hears of changes inside pods',
  CAP_SYS_ADMIN: 'enters the network namespaces of pods and loads eBPF programs',
} as const;

/** What it can do without. */
const useful = {
  CAP_SYS_PTRACE: 'looks up the network namespace of a process',
  CAP_NET_RAW: 'sends and sees packets for nsm ping, trace and capture',
} as const;

const all = { ...required, ...useful };

/** A capability, and what a forwarder does by it. */
export interface Privilege {
  readonly name: string;
  readonly what: string;
  /** Without it there is no forwarder. */
  readonly required: boolean;
  readonly has: boolean;
}

/** Those of a process, as a forwarder needs them. @throws Error of the file system where there is no such process */
export function privilegesOf(pid: number): Privilege[] {
  return Object.entries(all).map(([name, what]) => ({
    name,
    what,
    required: name in required,
    has: hasCapability(name as keyof typeof all, pid),
  }));
}

/** @throws NsmError `privilege` */
export function requirePrivileges(): void {
  const lacks = lacking(required);
  if (lacks !== '') throw new NsmError('privilege', lacks);
}

/** What goes wrong for want of a capability that a forwarder can do without; '' when it has all. */
export function whatIsOutOfReach(): string {
  const lacks = lacking(useful);
  const pods = hasCapability('CAP_SYS_PTRACE')
    ? ''
    : ': pods whose network namespace has no name under /run/netns are refused';
  return `${lacks}${pods}`;
}

/** Why the kernel refused for want of privilege. */
export function whyDenied(): string {
  return (
    lacking(all) ||
    `the forwarder has ${Object.keys(all).join(', ')}, so that its user namespace, its seccomp profile or a security module ` +
      '(AppArmor, SELinux) forbids it'
  );
}

/** Such as `the forwarder lacks CAP_NET_ADMIN, by which it makes interfaces and routes`; '' where it lacks none. */
function lacking(names: Partial<Record<keyof typeof all, string>>): string {
  const lacks = Object.entries(names).filter(([name]) => !hasCapability(name as keyof typeof all));
  if (lacks.length === 0) return '';
  return `the forwarder lacks ${lacks.map(([name, what]) => `${name}, by which it ${what}`).join('; ')}`;
}
