// What is wrong in a mesh, the worst first, and what to do about each.
import { abbreviatedList } from '@nsm/api';
import { grouped } from '@nsm/views/grouped';
import { ageText, counted, mendNarrow, narrowText } from '@nsm/views/texts';
import { defaultRunDir } from '../../flags/common-flags.js';
import { ownCommand } from '../../own-command.js';
import { absences, causesOf } from './absences.js';
import type { StatusView } from './status-view.js';

export interface Finding {
  /** Of the check that says the same: docs/checks.md explains it. */
  readonly code: FindingCode;
  /** broken: packets or requests fail. pending: under way, and well in a moment. warning: works, but look at it. */
  readonly level: 'broken' | 'pending' | 'warning';
  readonly what: string;
  /** A command, or what to change. */
  readonly toDo: string;
  /** What it comes from, where that is a finding of its own: the `what` of that. */
  readonly because?: string;
}

type Found = Omit<Finding, 'code'>;
type Look = (view: StatusView, now: number) => readonly Found[];

const levels: readonly Finding['level'][] = ['broken', 'pending', 'warning'];

/**
 * The worst first, each followed by what comes of it.
 * @param now milliseconds since the epoch. @param runDir of the manager, for the commands that are told.
 */
export function findingsOf(view: StatusView, now: number, runDir: string = defaultRunDir): Finding[] {
  const all = looks.flatMap(([code, look]) =>
    look(view, now).map((found) => ({ code, ...found, toDo: ownCommand(found.toDo, runDir) })),
  );
  const sorted = levels.flatMap((level) => all.filter((finding) => finding.level === level));
  return sorted
    .filter(({ because }) => because === undefined)
    .flatMap((cause) => [cause, ...sorted.filter(({ because }) => because === cause.what)]);
}

/** In the order in which an operator would mend: a later part may be wrong only because an earlier one is. */
const looks: readonly (readonly [code: FindingCode, look: Look])[] = [
  ['NSM0947', state],
  ['NSM0948', forwarder],
  ['NSM0960', certificate],
  ['NSM0970', registry],
  ['NSM0980', policy],
  ['NSM0953', managers],
  ['NSM0981', connections],
  ['NSM0956', narrowWays],
  ['NSM0982', endpoints],
  ['NSM0958', tunnels],
  ['NSM0992', refusals],
  ['NSM0983', limits],
  ['NSM0984', auditLog],
  ['NSM0967', plainText],
];

export type FindingCode =
  | 'NSM0947'
  | 'NSM0948'
  | 'NSM0953'
  | 'NSM0956'
  | 'NSM0958'
  | 'NSM0960'
  | 'NSM0967'
  | 'NSM0970'
  | 'NSM0980'
  | 'NSM0981'
  | 'NSM0982'
  | 'NSM0983'
  | 'NSM0984'
  | 'NSM0992';

function state({ state: { folder, error, standIn } }: StatusView): Found[] {
  if (error !== '')
    return [
      {
        level: 'broken',
        what: `${error}; connections go on, but none is made`,
        toDo: error.includes('EROFS')
          ? `mount -o remount,rw ${folder}`
          : `free space: df -h ${folder}; df -i ${folder}`,
      },
    ];
  if (standIn === '') return [];
  return [
    {
      level: 'warning',
      what: `the state folder ${folder} could not be written at the start: a copy in ${standIn} stands in for it`,
      toDo: 'see that it can be written, then restart the manager, which brings the copy back',
    },
  ];
}

function forwarder({ forwarderError }: StatusView): Found[] {
  if (forwarderError === '') return [];
  return [
    {
      level: 'broken',
      what: `forwarder: ${forwarderError}; connections go on, but none is made or mended`,
      toDo: 'start "nsm forwarder" with the run folder of this manager, or restart the manager',
    },
  ];
}

function registry({ registry, registrySynced }: StatusView): Found[] {
  if (registrySynced) return [];
  return [
    {
      level: 'broken',
      what: `registry ${registry} does not answer; connections go on, but new endpoints are not heard of`,
      toDo: 'see that it runs, that this node reaches its address, and what the log of this manager says of it',
    },
  ];
}

function certificate({ certificate }: StatusView, now: number): Found[] {
  if (!certificate) return [];
  const { source, validUntil, error, endsSoon } = certificate;
  const why = error === '' ? '' : `: ${error}`;
  const toDo = 'renew it where it comes from; it is read again by itself, without a restart';
  if (Date.parse(validUntil) <= now) {
    const what = `the certificate from ${source} has expired at ${validUntil}, and other managers refuse this one${why}`;
    return [{ level: 'broken', what, toDo }];
  }
  if (endsSoon)
    return [{ level: 'warning', what: `the certificate from ${source} ends at ${validUntil}${why}`, toDo }];
  if (error === '') return [];
  const what = `no newer certificate can be had, the one before stays until ${validUntil}${why}`;
  return [{ level: 'warning', what, toDo: 'mend that; it is tried again by itself' }];
}

function policy({ policy, policyError }: StatusView): Found[] {
  if (policyError === '') return [];
  return [
    {
      level: 'broken',
      what: `policy ${policy} has changed and was refused, the former one is in force: ${policyError}`,
      toDo: 'mend the file: it is read again when it changes',
    },
  ];
}

const levelOfState: ReadonlyMap<string, Finding['level']> = new Map([
  ['FAILED', 'broken'],
  ['STALE', 'broken'],
  ['HEALING', 'pending'],
  ['CONNECTING', 'pending'],
  ['CLOSING', 'pending'],
]);

function connections(view: StatusView): Found[] {
  const causes = causesOf(view);
  return view.connections.flatMap(({ id, service, requestId, state, detail, peerManager }) => {
    const level = levelOfState.get(state);
    if (level === undefined) return [];
    const why = detail === '' ? '' : `: ${detail}`;
    return [
      {
        level,
        what: `connection of ${requestId} to ${service} is ${state}${why}`,
        toDo: /no packets/.test(detail) ? `nsm trace ${id}` : `nsm describe connection ${id}`,
        ...causes.get(peerManager),
      },
    ];
  });
}

/** Of each way to another node: connections with the same kind of tunnel share it. */
function narrowWays({ connections }: StatusView): Found[] {
  const ways = grouped(
    connections.filter(({ narrow }) => narrow !== null),
    ({ peerManager, tunnel }) => `${peerManager} by ${tunnel?.type}`,
  );
  return [...ways].flatMap(([way, all]) => {
    const [first] = all;
    if (!first?.narrow) return [];
    return [
      {
        level: 'warning',
        what: `${narrowText(first.narrow)} from ${way}, and the MTU of ${counted(all.length, 'connection')} is larger: TCP stalls`,
        toDo: mendNarrow(first) || 'nsm check --only network',
      },
    ];
  });
}

function endpoints(view: StatusView): Found[] {
  const causes = causesOf(view);
  return view.endpoints
    .filter(({ unavailable }) => unavailable !== '')
    .map(({ name, namespace, service, manager, unavailable }) => ({
      level: 'warning',
      what: `endpoint ${namespace}/${name} of ${service} is not chosen: ${unavailable}`,
      toDo: `nsm explain ${service}`,
      ...causes.get(manager),
    }));
}

function managers(view: StatusView): Found[] {
  return absences(view).map(({ names, what, toDo }) => {
    const hit = view.connections
      .filter(({ peerManager }) => names.includes(peerManager))
      .map(({ state }) => levelOfState.get(state));
    return { level: levels.find((level) => hit.includes(level)) ?? 'warning', what, toDo };
  });
}

function tunnels({ tunnelTypes, forwarderError, managers }: StatusView): Found[] {
  if (forwarderError !== '' || managers.length < 2 || tunnelTypes.some(({ works }) => works)) return [];
  return [
    {
      level: 'broken',
      what: `no tunnel works on this node, so that nothing reaches other nodes: ${tunnelTypes[0]?.missing ?? 'none is offered'}`,
      toDo: 'nsm get tunnels',
    },
  ];
}

function limits({ limits }: StatusView): Found[] {
  return limits
    .filter(({ refused }) => refused > 0)
    .map(
      ({ name, limit, refused }): Found => ({
        level: 'warning',
        what: `${refused} ${refused === 1 ? 'request was' : 'requests were'} refused since the manager began: a pod may have ${limit} ${name}`,
        toDo: `start the manager with a higher --limit ${name}=N, or find the pod by the audit log`,
      }),
    );
}

/** Milliseconds for which a refusal is news: a pod that still wants the connection has asked again by then. */
const recentMs = 10 * 60_000;

function refusals({ refusals }: StatusView, now: number): Found[] {
  const recent = refusals.filter(({ time }) => now - Date.parse(time) < recentMs);
  return [...new Set(recent.map(({ pod }) => pod))].flatMap((pod) => {
    const [last, ...others] = recent.filter((one) => one.pod === pod);
    if (!last) return [];
    const more = others.length > 0 ? `; and ${abbreviatedList(others.map(({ service }) => service))}` : '';
    return [
      {
        level: 'warning',
        what: `pod ${pod} was refused ${last.service} ${ageText(last.time, now)} ago: ${last.what} (${last.code})${more}`,
        toDo: `nsm explain --from ${pod}`,
      },
    ];
  });
}

function auditLog({ auditLost }: StatusView): Found[] {
  if (auditLost === 0) return [];
  return [
    {
      level: 'warning',
      what: `${auditLost} lines of the audit log are lost`,
      toDo: 'see that its disk has room and that whoever reads it keeps up',
    },
  ];
}

function plainText({ manager, managers }: StatusView): Found[] {
  const open = managers.filter(({ security }) => security === 'insecure').map(({ name }) => name);
  if (open.length === 0 && manager.security !== 'insecure') return [];
  return [
    {
      level: 'warning',
      what: `plain text between managers (${abbreviatedList(open.length > 0 ? open : [manager.name])}): whoever reaches their network can act as any of them`,
      toDo: 'start the managers without --insecure',
    },
  ];
}
