// What is wrong in a mesh, the worst first, and what to do about each.
import { abbreviatedList } from '@nsm/api';
import type { StatusView } from './status-view.js';

export interface Finding {
  /** Of the check that says the same: docs/checks.md explains it. */
  readonly code: FindingCode;
  /** broken: packets or requests fail. pending: under way, and well in a moment. warning: works, but look at it. */
  readonly level: 'broken' | 'pending' | 'warning';
  readonly what: string;
  /** A command, or what to change. */
  readonly toDo: string;
}

type Found = Omit<Finding, 'code'>;
type Look = (view: StatusView, now: number) => readonly Found[];

/** @param now milliseconds since the epoch. */
export function findingsOf(view: StatusView, now: number): Finding[] {
  const all = looks.flatMap(([code, look]) => look(view, now).map((finding) => ({ code, ...finding })));
  const levels: readonly Finding['level'][] = ['broken', 'pending', 'warning'];
  return levels.flatMap((level) => all.filter((finding) => finding.level === level));
}

/** In the order in which an operator would mend: a later part may be wrong only because an earlier one is. */
const looks: readonly (readonly [code: FindingCode, look: Look])[] = [
  ['NSM0948', forwarder],
  ['NSM0970', registry],
  ['NSM0960', certificate],
  ['NSM0980', policy],
  ['NSM0981', connections],
  ['NSM0982', endpoints],
  ['NSM0953', managers],
  ['NSM0958', tunnels],
  ['NSM0983', refusals],
  ['NSM0984', auditLog],
  ['NSM0967', plainText],
];

export type FindingCode =
  | 'NSM0948'
  | 'NSM0953'
  | 'NSM0958'
  | 'NSM0960'
  | 'NSM0967'
  | 'NSM0970'
  | 'NSM0980'
  | 'NSM0981'
  | 'NSM0982'
  | 'NSM0983'
  | 'NSM0984';

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

function connections({ connections }: StatusView): Found[] {
  return connections.flatMap(({ id, service, requestId, state, detail }) => {
    const level = levelOfState.get(state);
    if (level === undefined) return [];
    const why = detail === '' ? '' : `: ${detail}`;
    return [
      {
        level,
        what: `connection of ${requestId} to ${service} is ${state}${why}`,
        toDo: `nsm describe connection ${id}`,
      },
    ];
  });
}

function endpoints({ endpoints }: StatusView): Found[] {
  return endpoints
    .filter(({ unavailable }) => unavailable !== '')
    .map(({ name, namespace, service, unavailable }) => ({
      level: 'warning',
      what: `endpoint ${namespace}/${name} of ${service} is not chosen: ${unavailable}`,
      toDo: `nsm explain ${service}`,
    }));
}

function managers({ managers }: StatusView): Found[] {
  const gone = managers.filter(({ alive, stopped }) => !alive && !stopped).map(({ name }) => name);
  if (gone.length === 0) return [];
  const [first = ''] = gone;
  return [
    {
      level: 'warning',
      what: `${gone.length === 1 ? 'manager' : 'managers'} ${abbreviatedList(gone)} of ${managers.length} ended without a word`,
      toDo: `look at the node of ${first}: does it run, and does the network to it work?`,
    },
  ];
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

function refusals({ limits }: StatusView): Found[] {
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
