// Throw-away network namespaces, removed when the test is over, fails, or is killed by a signal.
import { existsSync } from 'node:fs';
import {
  createNamespace,
  deleteNamespace,
  listNamespaces,
  NamespaceError,
  type NetworkNamespace,
  openNamespace,
  RouteSocket,
} from '@nsm/netlink';

/** What the names of this process's namespaces begin with. */
export const namePrefix: string = `nsmt-${process.pid}-`;

/** A namespace with an open rtnetlink socket; `lo` is up. */
export interface TestNamespace extends AsyncDisposable, Disposable {
  /** Under /run/netns: `nsmt-<pid>-<n>-<label>`. */
  readonly name: string;
  readonly namespace: NetworkNamespace;
  readonly route: RouteSocket;
  /** Closes everything and removes the name. Harmless when repeated. */
  remove(): void;
}

const living = new Set<TestNamespace>();
let made = 0;
let guarded = false;

const removeAll = (): void => {
  for (const namespace of living) {
    try {
      namespace.remove();
    } catch (error) {
      process.stderr.write(`${String(error)}\n`);
    }
  }
};

// What a run that was killed outright (SIGKILL, a crash) has left behind: no other run will remove it.
const removeOrphans = (): void => {
  for (const { names } of listNamespaces())
    for (const name of names) {
      const pid = /^nsmt-(\d+)-/.exec(name)?.[1];
      if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
      try {
        deleteNamespace(name);
      } catch (error) {
        // Another test run was quicker.
        if (!(error instanceof NamespaceError)) throw error;
      }
    }
};

// Vitest ends its workers by SIGTERM; 'exit' covers everything else but SIGKILL.
const guard = (): void => {
  if (guarded) return;
  guarded = true;
  removeOrphans();
  process.once('exit', removeAll);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.once(signal, () => {
      removeAll();
      process.kill(process.pid, signal);
    });
};

/** Makes a namespace; `label` shows in its name. Removal is up to the caller, at the latest when the process exits. */
export const makeNamespace = (label: string): TestNamespace => {
  guard();
  const name = `${namePrefix}${++made}-${label}`;
  createNamespace(name);
  const namespace = openNamespace(name);
  const route = RouteSocket.open(namespace);
  route.setLink('lo', { up: true });
  const remove = (): void => {
    living.delete(result);
    route.close();
    namespace.close();
    try {
      deleteNamespace(name);
    } catch (error) {
      if (!(error instanceof NamespaceError && error.code === 'not-found')) throw error;
    }
  };
  const result: TestNamespace = {
    name,
    namespace,
    route,
    remove,
    [Symbol.dispose]: remove,
    [Symbol.asyncDispose]: async () => remove(),
  };
  living.add(result);
  return result;
};

/** Runs `fn` with one new namespace per label and removes them afterwards, whatever happens. */
export const withNamespaces = async <const L extends readonly string[], T>(
  labels: L,
  fn: (...namespaces: { [K in keyof L]: TestNamespace }) => T | Promise<T>,
): Promise<T> => {
  const namespaces: TestNamespace[] = [];
  try {
    for (const label of labels) namespaces.push(makeNamespace(label));
    return await fn(...(namespaces as { [K in keyof L]: TestNamespace }));
  } finally {
    for (const namespace of namespaces) namespace.remove();
  }
};
