// A memif server of ours and strangers.
import { openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { libc, SharedMemory, UnixSocket } from '@nsm/netlink';
import { requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { Stage } from '../shared/shared-tap.test.stage.js';
import { decodeMessage, encodeMessage, messageSize } from './memif-messages.js';

describe.skipIf(!requireRoot('memif'))('memif', () => {
  it('tells a stranger why it is refused, keeps nothing of it, and stays for the right one', async () => {
    const stage = new Stage('memif');
    stage.wire('server', stage.left, '10.1.0.1/24');
    using memory = SharedMemory.create('test', 65_536);
    const file = openSync(join(stage.folder, 'file'), 'w+');
    const eventfd = libc.eventfd(0, libc.EFD_CLOEXEC);
    type Said = readonly [message: Parameters<typeof encodeMessage>[0], fd?: number];
    const init: Said = [{ kind: 'init', id: 3, secret: 'hush' }];
    const region: Said = [{ kind: 'addRegion', index: 0, size: 65_536 }, memory.fd];
    const ring = { kind: 'addRing', toServer: true, index: 0, region: 0, offset: 0, log2Size: 8 } as const;
    const refusals: readonly (readonly [readonly Said[], RegExp])[] = [
      [[[{ kind: 'init', id: 4, secret: 'hush' }]], /number 3, not 4/],
      [[[{ kind: 'init', id: 3, secret: 'guess' }]], /secret is wrong/],
      [[[{ kind: 'connect' }]], /connect before init/],
      [[init, [{ kind: 'connect' }]], /without a ring each way/],
      [[init, [{ kind: 'addRegion', index: 0, size: 4096 }]], /without its descriptor/],
      [[init, [{ kind: 'addRegion', index: 0, size: 4096 }, file]], /no file in memory/],
      [[init, [{ kind: 'addRegion', index: 0, size: 65_537 }, memory.fd]], /smaller than announced/],
      [
        [init, [{ kind: 'addRegion', index: 0, size: 2 ** 40 }, memory.fd]],
        /^limit of a pod: 256 MiB of shared memory \(--limit sharedMemoryMib\)$/,
      ],
      [[init, [{ kind: 'addRegion', index: 1, size: 65_536 }, memory.fd]], /out of order/],
      [[init, region, [ring, file]], /no eventfd/],
      [[init, region, [{ ...ring, offset: 65_536 - 64 }, eventfd]], /outside of it/],
      [[init, region, [{ ...ring, log2Size: 30 }, eventfd]], /outside of it/],
      [[init, region, [ring, eventfd]], /without its cookie/],
    ];
    const before = readdirSync('/proc/self/fd').length;
    for (const [said, expected] of refusals) {
      using stranger = UnixSocket.connect(stage.socket, messageSize);
      const hear = () =>
        waitFor(() => {
          const packet = stranger.receive();
          return packet === 'nothing' ? undefined : packet;
        });
      expect(decodeMessage((await hear()).data)).toMatchObject({ kind: 'hello', rings: 1 });
      for (const [index, [message, fd]] of said.entries()) {
        stranger.send(encodeMessage(message), fd === undefined ? [] : [fd]);
        if (index < said.length - 1) expect(decodeMessage((await hear()).data)).toEqual({ kind: 'ack' });
      }
      expect(decodeMessage((await hear()).data)).toMatchObject({
        kind: 'disconnect',
        reason: expect.stringMatching(expected),
      });
    }
    await waitFor(() => readdirSync('/proc/self/fd').length === before);
    for (const fd of [file, eventfd]) libc.close(fd);
    stage.wire('client', stage.right, '10.1.0.2/24');
    await stage.connected();
    stage.close();
  });
});
