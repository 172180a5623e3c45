// Open vSwitch with its userspace datapath in a namespace: a stranger at the other end of a tunnel.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Running, run, spawnIn, type TestNamespace, waitFor } from '@nsm/testkit';

const schema = '/usr/share/openvswitch/vswitch.ovsschema';

/** Why it cannot run here; undefined when it can. */
export const missingOpenVswitch = async (): Promise<string | undefined> => {
  try {
    await run(undefined, 'ovs-vswitchd', ['--version']);
    return undefined;
  } catch (error) {
    return `Open vSwitch is not installed (Debian: openvswitch-switch): ${(error as Error).message.trim()}`;
  }
};

export interface OpenVswitch extends AsyncDisposable {
  /** @param args of ovs-vsctl. */
  configure(...args: string[]): Promise<string>;
}

/** Both daemons, with a database of their own in a folder of their own. */
export const startOpenVswitch = async (node: TestNamespace): Promise<OpenVswitch> => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-ovs-'));
  const environment = ['RUNDIR', 'LOGDIR', 'DBDIR'].map((name) => `OVS_${name}=${folder}`);
  const socket = `unix:${join(folder, 'db.sock')}`;
  const database = join(folder, 'conf.db');
  const start = (name: string, ...args: string[]) =>
    spawnIn(node.name, 'env', [...environment, name, ...args, `--unixctl=${join(folder, `${name}.ctl`)}`]);
  const configure = (...args: string[]): Promise<string> =>
    run(node.name, 'env', [...environment, 'ovs-vsctl', `--db=${socket}`, '--timeout=10', ...args]);

  const daemons: Running[] = [];
  const stop = async (): Promise<void> => {
    for (const daemon of daemons.splice(0).reverse()) await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await run(undefined, 'ovsdb-tool', ['create', database, schema]);
    daemons.push(await start('ovsdb-server', database, `--remote=p${socket}`));
    await waitFor(async () => (await configure('--no-wait', 'init').catch(() => undefined)) !== undefined, {
      what: 'the database',
    });
    daemons.push(await start('ovs-vswitchd', socket));
    return { configure, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
