// What a forwarder could do on this machine, before one runs here.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unnamedNamespace } from '@nsm/netlink';
import type { CapabilitiesReport } from './capabilities.js';
import { NodeForwarder } from './node-forwarder.js';

/**
 * Begins a forwarder in a network namespace of its own and asks it: what is tried touches no device of the machine, and goes with the
 * namespace.
 * @throws NsmError `privilege`, NamespaceError where no namespace can be made.
 */
export async function probeCapabilities(): Promise<CapabilitiesReport> {
  using namespace = unnamedNamespace();
  const runDir = mkdtempSync(join(tmpdir(), 'nsm-probe-'));
  try {
    const forwarder = namespace.run(() => new NodeForwarder({ runDir }));
    try {
      return await forwarder.getCapabilities();
    } finally {
      await forwarder.stop();
    }
  } finally {
    rmSync(runDir, { recursive: true, force: true });
  }
}
