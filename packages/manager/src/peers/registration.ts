// The manager tells the registry its address, and that it stops.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError, within } from '@nsm/api';
import type { Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import type { Self } from '../self.js';
import type { ConnectionTable } from '../state/connection-table.js';

export interface RegistrationComponents {
  readonly self: Pick<Self, 'name' | 'address' | 'version' | 'security' | 'domain'>;
  readonly registry: Registry;
  readonly connections: Pick<ConnectionTable, 'size'>;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
}

/** Milliseconds for which the registry takes a silent manager to be alive. */
const leaseMs = 10_000;

/** Milliseconds for which a manager that stops tries to say so. */
const leaveTimeoutMs = 1000;

/**
 * A manager that comes back under another address waits until the lease of its former self has run out. Where the registry is
 * away, the start does not wait: pods of this node are served, and other managers hear of this one when the registry is back.
 * @throws NsmError `conflict` when another manager of that name goes on.
 */
export async function register(components: RegistrationComponents): Promise<void> {
  const registered = tryToRegister(components);
  if (components.registry.synced) return await registered;
  registered.catch((error: unknown) =>
    components.logger.error({ err: error }, 'other managers do not find this one'),
  );
}

async function tryToRegister(components: RegistrationComponents): Promise<void> {
  let told = false;
  for (const deadline = performance.now() + 1.5 * leaseMs; ; await sleep(leaseMs / 10)) {
    try {
      return await writeOwnRecord(components, false);
    } catch (error) {
      const conflict = NsmError.from(error).kind === 'conflict';
      if (conflict && performance.now() > deadline) throw error;
      if (!conflict || !told)
        components.logger.warn(
          { err: error },
          conflict ? 'waiting for the name to become free' : 'not registered yet',
        );
      told = true;
      if (!conflict) return;
    }
  }
}

/** Tells the registry whether this node's endpoints are out of service; a registry that is away is told when it is back. */
export async function tellDrained(components: RegistrationComponents, drained: boolean): Promise<void> {
  await writeOwnRecord(components, drained).catch((error: unknown) => {
    // Until then this manager refuses what comes.
    components.logger.warn({ err: error }, 'the registry has not heard yet');
  });
}

/** @throws NsmError of a registry that does not take the record. */
export async function writeOwnRecord(
  { registry, self }: Pick<RegistrationComponents, 'registry' | 'self'>,
  drained: boolean,
): Promise<void> {
  const { name, address, version, security, domain: trustDomain } = self;
  await registry.registerManager({ name, address, version, security, trustDomain, drained }, leaseMs);
}

/** Tells the registry that the manager stops: with connections its record stays, as it will be back; without any the record goes. */
export async function unregister({
  registry,
  self,
  connections,
  logger,
}: RegistrationComponents): Promise<void> {
  const { name, address } = self;
  if (!registry.synced || registry.managers().get(name)?.address !== address) return;
  const left = connections.size > 0 ? registry.endLease(name) : registry.removeManager(name);
  const told = left.catch((error: unknown) =>
    logger.warn({ err: error }, 'the registry was not told of the stop'),
  );
  await within(leaveTimeoutMs, told, () => undefined);
}
