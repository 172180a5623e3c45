// What the command takes from the environment, besides the variable that each flag has.
import { delimiter } from 'node:path';

/** Failures are shown with their stack traces, for whoever mends nsm. */
export const debug: boolean = isOn(process.env.NSM_DEBUG);

/** The pod's own UID, from the downward API: the request id where none is given. */
export const podUid: string | undefined = process.env.POD_UID || undefined;

/** Password of --etcd-user: everybody on a machine can read what is on a command line. */
export const etcdPassword: string | undefined = process.env.NSM_ETCD_PASSWORD || undefined;

/** Kubernetes runs this process in a pod. */
export const inCluster: boolean = Boolean(process.env.KUBERNETES_SERVICE_HOST);

/** Folders in which commands are looked for. */
export const commandFolders: readonly string[] = [
  ...(process.env.PATH ?? '').split(delimiter),
  '/usr/sbin',
  '/sbin',
];

/** False for a switch whose variable is set to say no. */
export function switchedOff(variable: string): boolean {
  const value = process.env[variable];
  return value !== undefined && !isOn(value);
}

/** True for a variable that is not there, or has no value. */
export function unset(variable: string): boolean {
  return !process.env[variable];
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no', 'off'].includes(value.toLowerCase());
}

// grpc-js writes failures to stderr that the commands report themselves, in words.
if (!debug) process.env.GRPC_NODE_VERBOSITY ??= 'NONE';
