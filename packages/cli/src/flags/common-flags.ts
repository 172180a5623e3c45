// Flags that several commands share.
import { resolve } from 'node:path';
import { parseNamespaceReference } from '@nsm/netlink/namespace-reference';
import { InvalidArgumentError, type Option } from 'commander';
import { flag, parseDuration, parseHostPort, parseHttpUrl, parseLabel } from './flags.js';
import { parseInterface } from './interface-flag.js';
import { parseProvider } from './names.js';

export const defaultRunDir = '/run/nsm';

export const jsonFlag = (): Option => flag('--json', 'print JSON');

export const runDirFlag = (): Option =>
  flag('--run-dir <dir>', "folder of the manager's sockets", {
    default: defaultRunDir,
    parse: (path) => resolve(path),
  });

export const stateDirFlag = (): Option =>
  flag('--state-dir <dir>', 'folder of what outlives a restart', {
    default: '/var/lib/nsm',
    parse: (path) => resolve(path),
  });

export const netnsFlag = (): Option =>
  flag(
    '--netns <ns>',
    'network namespace to work in: a name under /run/netns, a path /proc/PID/ns/net, or an inode (default: own)',
    { parse: parseNetns },
  );

/** @throws InvalidArgumentError for what names no network namespace. */
function parseNetns(text: string): string {
  try {
    parseNamespaceReference(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}

export const fromFlag = (): Option =>
  flag(
    '--from <pod|netns>',
    'who would ask: a network namespace as for --netns, or NAMESPACE/NAME of a pod of this node',
    { parse: (text) => (/^[^/]+\/[^/]+$/.test(text) ? parseProvider(text) : parseNetns(text)) },
  );

export const labelFlag = (): Option =>
  flag('--label <key=value>', 'label; may be repeated', { list: true, parse: parseLabel });

export const interfaceFlag = (): Option =>
  flag('--interface <list>', 'interface types in order of preference, such as kernel:first,mem:second', {
    list: true,
    parse: parseInterface,
    defaultText: 'kernel',
  });

export const metricsListenFlag = (): Option =>
  flag(
    '--metrics-listen <host:port>',
    'where plain HTTP tells its health, /startz, /readyz, /healthz, and its /metrics for Prometheus (default: nowhere)',
    { parse: parseHostPort },
  );

export const otlpEndpointFlag = (): Option =>
  flag(
    '--otlp-endpoint <url>',
    'collector that traces are sent to, by OTLP over HTTP, such as http://127.0.0.1:4318 (default: none)',
    { parse: parseHttpUrl },
  );

export const vxlanEngineFlag = (): Option =>
  flag(
    '--vxlan-engine <engine>',
    "what carries VXLAN: ebpf as all other kinds, or the kernel's vxlan device, for pods that are trusted with all of each other's tunnels",
    { default: 'ebpf', choices: ['ebpf', 'kernel'] },
  );

export const timeoutFlag = (): Option =>
  flag('--timeout <duration>', 'give up after this long', {
    default: 30_000,
    defaultText: '30s',
    parse: parseDuration,
  });

export const waitFlag = (): Option =>
  flag('--wait <duration>', 'wait this long for a manager that is not running yet', {
    default: 0,
    defaultText: '0s',
    parse: parseDuration,
  });

export const policyFlag = (description: string): Option =>
  flag('--policy <file>', description, {
    // The objects of a cluster, which only a manager reads.
    parse: (path) => (path.startsWith('kubernetes:') ? path : resolve(path)),
  });

export const logLevelFlag = (): Option =>
  flag('--log-level <level>', 'how much to log', {
    default: 'info',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
  });

export const logFormatFlag = (): Option =>
  flag('--log-format <format>', 'lines of JSON for programs, or of text for people', {
    default: 'json',
    choices: ['json', 'text'],
  });

/** Labels as the SDK and the admin service take them. */
export function labelsOf(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.fromEntries(pairs);
}
