// The Debian package: installed, started, upgraded and purged in a root of its own, with a connection that carries packets all the while.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { thorough } from '../reliability/config.js';
import { PrivateRoot } from './private-root.js';

const unhurried = 'a second system takes its time: `npm run reliability -- package` has it';

const script = fileURLToPath(new URL('../../../scripts/package.mjs', import.meta.url));
const systemctl = fileURLToPath(new URL('../../src/shipping/systemctl.sh', import.meta.url));
/** Databases and logs, and what stands in for systemd. */
const ofOthers =
  /^\/(var\/(lib\/dpkg|log|cache)|etc\/(passwd|group|shadow|gshadow|subuid|subgid|\.pwd)|usr\/local\/bin\/systemctl|root|run|tmp)/;
/** Fails with what the daemons said. */
const managerAnswers =
  'for i in $(seq 100); do ! nsm get managers >/dev/null 2>&1 || break; sleep 0.1; done; nsm get managers || { cat /var/log/nsm-* >&2; exit 1; }';

describe.skipIf(!requireRoot('the package'))('the Debian package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-packages-'));
  let root: PrivateRoot;
  const log = (): Promise<string> => root.run('cat /var/log/systemctl; rm /var/log/systemctl');

  beforeAll(async () => {
    for (const revision of thorough ? ['1', '2'] : ['1'])
      execFileSync(process.execPath, [script, '--out', folder, '--revision', revision]);
    copyFileSync(systemctl, join(folder, 'systemctl'));
    root = await PrivateRoot.make(folder);
    await root.run('install -m 755 /mnt/systemctl /usr/local/bin/systemctl');
  }, 60_000);
  afterAll(() => {
    root?.[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  const install = (revision: number): Promise<string> =>
    root.run(`dpkg --install /mnt/nsm_*-${revision}_*.deb`);

  it('is installed where systemd does not run, and gives the command nsm', async () => {
    await install(1);
    expect(await root.run('nsm version')).toMatch(/^nsm \d/);
    // The run folder is both daemons' before either starts: they start at the same time.
    expect(await root.run('stat -c "%U %G %a" /var/lib/nsm /var/lib/nsm-forwarder /run/nsm')).toBe(
      'nsm nsm 700\nnsm-forwarder nsm-forwarder 700\nnsm-forwarder nsm 1775\n',
    );
    expect(await root.run('dpkg --verify nsm; ls /var/log/systemctl 2>&1 || true')).toContain('No such file');
  });

  it('has units that make connections', { timeout: 90_000 }, async ({ skip }) => {
    if (!thorough) skip(unhurried);
    await root.run(`mkdir -p /run/systemd/system /run/netns
      systemctl start nsm-forwarder nsm-manager
      ${managerAnswers}
      ip netns add server; ip netns add client
      setsid ip netns exec server nsm endpoint icmp-responder --service ping --name echo --wait 10s >/var/log/echo 2>&1 </dev/null &
      for i in $(seq 100); do nsm get endpoints | grep -q echo && break; sleep 0.1; done
      nsm connect ping --netns client --request-id pod-1 --wait 10s --json >/tmp/connected`);
    const { peerAddresses } = JSON.parse(await root.run('cat /tmp/connected')) as {
      readonly peerAddresses: readonly string[];
    };
    const address = peerAddresses[0]?.replace(/\/.*/, '');
    await root.run(
      `ip netns exec client ping -c 1 ${address}
       setsid ip netns exec client ping -i 0.02 ${address} >/var/log/ping 2>&1 </dev/null & echo $! >/tmp/ping.pid`,
    );
    await log();
  });

  it('is upgraded without a lost packet: what ran is stopped, and runs again', async ({ skip }) => {
    if (!thorough) skip(unhurried);
    const before = await root.run('nsm get connections --json');
    await install(2);
    expect(await log()).toBe(
      [
        '--quiet is-active nsm-manager',
        '--quiet is-active nsm-forwarder',
        '--quiet is-active nsm-registry',
        'stop nsm-manager nsm-forwarder nsm-registry',
        'daemon-reload',
        'daemon-reload',
        'start nsm-forwarder nsm-manager',
        '',
      ].join('\n'),
    );
    await root.run(managerAnswers);
    const idsOf = (text: string): string[] => (JSON.parse(text) as { id: string }[]).map(({ id }) => id);
    expect(idsOf(await root.run('nsm get connections --json'))).toEqual(idsOf(before));
    const statistics = await root.run(
      'kill -INT $(cat /tmp/ping.pid); while ! grep loss /var/log/ping; do sleep 0.1; done',
    );
    expect(statistics).toContain(' 0% packet loss');
  });

  it('leaves nothing when it is purged', async ({ skip }) => {
    if (!thorough) skip(unhurried);
    await root.run('kill $(pidof node)  || true; dpkg --purge nsm');
    expect(await log()).toContain('--no-reload disable --now nsm-manager nsm-forwarder nsm-registry');
    expect(root.changes(ofOthers)).toEqual([]);
    expect(readdirSync(folder)).toHaveLength(4);
  });
});
