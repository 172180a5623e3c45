// Managers that are not there, as a status tells of them: much else that is wrong comes of them.
import { abbreviatedList } from '@nsm/api';
import type { StatusView } from './status-view.js';

interface Absence {
  readonly names: readonly string[];
  readonly what: string;
  readonly toDo: string;
}

/** Managers that ended; of those that were stopped only those that something here still counts on. */
export function absences({ managers, endpoints, connections }: StatusView): Absence[] {
  const missed = new Set([
    ...endpoints.map(({ manager }) => manager),
    ...connections.filter(({ state }) => state !== 'SYNCED').map(({ peerManager }) => peerManager),
  ]);
  const away = managers.filter(
    ({ alive, silent, stopped, name }) => (!alive || silent) && (!stopped || missed.has(name)),
  );
  const told = (wanted: boolean, how: string, toDo: (first: string) => string): Absence[] => {
    const names = away.filter(({ stopped }) => stopped === wanted).map(({ name }) => name);
    const [first] = names;
    if (first === undefined) return [];
    const what = `${names.length} of ${managers.length} managers ${how}: ${abbreviatedList(names)}`;
    return [{ names, what, toDo: toDo(first) }];
  };
  return [
    ...told(
      false,
      'ended without a word',
      (first) => `look at the node of ${first}: does it run, and does the network to it work?`,
    ),
    ...told(
      true,
      `${away.filter(({ stopped }) => stopped).length === 1 ? 'was' : 'were'} stopped`,
      (first) => `start the manager of ${first} again, or end its endpoints`,
    ),
  ];
}

/** By the name of a manager that is not there: the finding that tells so. */
export function causesOf(view: StatusView): ReadonlyMap<string, { readonly because: string }> {
  return new Map(
    absences(view).flatMap(({ names, what }) => names.map((name) => [name, { because: what }] as const)),
  );
}
