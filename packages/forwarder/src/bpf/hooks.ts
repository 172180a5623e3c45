// Where the programs stand on a device: at its ingress and its egress, before those of others where that is allowed.

export type Hook = 'ingress' | 'egress';

/** A program of ours, loaded. */
export interface LoadedProgram {
  readonly name: string;
  readonly id: number;
  readonly fd: number;
}

/** A program of ours, of this process or another, that stands somewhere. */
export interface Standing {
  readonly device: number;
  readonly hook: Hook;
  readonly name: string;
  readonly id: number;
}

/** Devices are given by index; one that is not there has no programs. Other methods throw NetlinkError. */
export interface Hooks {
  /** All programs of ours on devices with these indexes. */
  find(devices: readonly number[]): Standing[];
  /** The program of ours there; undefined when there is none. */
  ours(device: number, hook: Hook): Pick<Standing, 'id' | 'name'> | undefined;
  /** Puts a program there, in the place of another of ours, and before what others have put there where that is allowed. */
  attach(device: number, hook: Hook, program: LoadedProgram): void;
  /** Does nothing when there is none of ours. */
  detach(device: number, hook: Hook): void;
  /** What runs before ours and may end a packet's way, for people. */
  before(device: number, hook: Hook): readonly string[];
}

/** Whether a program is one of ours, of whatever version. */
export function isOurs(name: string | undefined): name is string {
  return name?.startsWith('nsm_') === true;
}

/** Where a program of ours stands, of whatever version: one sees what leaves, all others what comes in. */
export function hookOf(name: string): Hook {
  return name === 'nsm_leave' ? 'egress' : 'ingress';
}
