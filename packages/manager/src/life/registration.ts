// A manager tells the registry where it is, and that it goes.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError } from '@nsm/api';
import { lease, type Node } from '../node.js';

/** Milliseconds for which a manager that stops tries to say so. */
const leaveTimeout = 1000;

/**
 * A manager that comes back under another address waits until the lease of its former self has run out. Where the registry is
 * away, nobody waits: pods of this node are served, and the others hear of it when the registry is back.
 * @throws NsmError `conflict` when another manager of that name goes on.
 */
export async function register(node: Node): Promise<void> {
  const registered = tryToRegister(node);
  if (node.registry.synced) return await registered;
  registered.catch((error: unknown) =>
    node.logger.error({ err: error }, 'other managers do not find this one'),
  );
}

async function tryToRegister({ registry, name, advertise, logger }: Node): Promise<void> {
  let told = false;
  for (const deadline = performance.now() + 1.5 * lease; ; await sleep(lease / 10)) {
    try {
      return await registry.registerManager({ name, address: advertise }, lease);
    } catch (error) {
      const conflict = NsmError.from(error).kind === 'conflict';
      if (conflict && performance.now() > deadline) throw error;
      if (!conflict || !told)
        logger.warn({ err: error }, conflict ? 'waiting for the name to become free' : 'not registered yet');
      told = true;
      if (!conflict) return;
    }
  }
}

/** Says that it is not there from now on: with connections, that it will be back; without any, nothing of it stays. */
export async function leave({ registry, name, advertise, connections, logger }: Node): Promise<void> {
  if (!registry.synced || registry.managers().get(name)?.address !== advertise) return;
  const left = connections.size > 0 ? registry.endLease(name) : registry.removeManager(name);
  const told = left.catch((error: unknown) =>
    logger.warn({ err: error }, 'the registry was not told of the stop'),
  );
  await Promise.race([told, sleep(leaveTimeout, undefined, { ref: false })]);
}
