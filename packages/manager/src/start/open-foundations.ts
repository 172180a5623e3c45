// What all parts of a manager stand on, opened in order of dependence: the state folder, policy, audit log, registry, store, forwarder.
import { join } from 'node:path';
import { StateFolder } from '@nsm/durable';
import { openRegistry, type Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import { checkPidNamespace } from '../admission/pid-namespace.js';
import { AuditLog } from '../audit/audit-log.js';
import { Abilities } from '../choice/abilities.js';
import type { Forwarder } from '../forwarder-client.js';
import type { ManagerOptions } from '../manager-options.js';
import { PolicyFile } from '../policy/policy-origin.js';
import { PolicySource } from '../policy/policy-source.js';
import { Store } from '../state/store.js';
import { warnOfStrangeAddresses } from './admit-own-addresses.js';
import { openForwarder } from './open-forwarder.js';
import type { Stops } from './stops.js';
import { takeName } from './unique-name.js';

export interface Foundations {
  readonly source: PolicySource;
  readonly auditLog: AuditLog | undefined;
  /** Not started yet. */
  readonly registry: Registry;
  readonly store: Store;
  readonly forwarder: Forwarder;
  /** As the forwarder told them. */
  readonly abilities: Abilities;
  readonly state: StateFolder;
  /** Tells this node's network namespace from every other. */
  readonly nodeId: string;
}

/** @throws NsmError when one of them cannot be opened; `stops` then closes those before it. */
export async function openFoundations(
  options: ManagerOptions,
  logger: Logger,
  stops: Stops,
): Promise<Foundations> {
  const { name, runDir, policy, etcd, credentials } = options;
  const state = StateFolder.take(options.stateDir, {
    standIn: join(runDir, 'state-dir'),
    holder: `manager ${name}`,
    logger,
  });
  stops.add(() => state[Symbol.dispose]());
  const source = new PolicySource(typeof policy === 'string' ? new PolicyFile(policy) : policy, { logger });
  await source.start();
  stops.add(() => source.stop());
  const auditLog = await openAuditLog(options.auditLog, logger, stops);
  const registry = await openRegistry(options.registry, {
    stateDir: state.path,
    ...(etcd ? { etcd } : {}),
    ...(credentials ? { credentials } : {}),
    logger: logger.child({ module: 'registry' }),
  });
  stops.add(await takeName(name, logger));
  checkPidNamespace(logger);
  warnOfStrangeAddresses(options, logger);
  const store = await Store.open(state.path, { logger: logger.child({ module: 'store' }) });
  stops.add(() => store.close());
  store.admitManager(name);
  const forwarder = await openForwarder(options, state.path, stops);
  const abilities = new Abilities({ forwarder, logger });
  return { source, auditLog, registry, store, forwarder, abilities, state, nodeId: await abilities.learn() };
}

async function openAuditLog(
  path: string | undefined,
  logger: Logger,
  stops: Stops,
): Promise<AuditLog | undefined> {
  if (path === undefined) return undefined;
  const log = new AuditLog(path, { logger });
  await log.start();
  stops.add(() => log.stop());
  return log;
}
