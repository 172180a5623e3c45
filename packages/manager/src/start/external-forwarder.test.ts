// Calls to a forwarder that is being restarted: they wait for it, and say what is away when it stays away.
import { type Channel, NsmError } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { externalForwarder } from './external-forwarder.js';

/** A channel to a forwarder that is away for as many calls as `away`, and whether it is told to be there again in time. */
function forwarderAway(away: number, comesBack: boolean) {
  let calls = 0;
  let waits = 0;
  const getCapabilities = async (): Promise<object> => {
    if (calls++ < away) throw new NsmError('unavailable', 'connect ENOENT');
    return { call: calls };
  };
  const channel = {
    address: 'unix:/run/nsm/forwarder.sock',
    client: () => ({ getCapabilities }),
    ready: async (): Promise<void> => {
      waits++;
      if (!comesBack) throw new NsmError('unavailable', 'connect ENOENT');
    },
  } as unknown as Channel;
  return { forwarder: externalForwarder(channel), waits: () => waits };
}

describe('a call to a forwarder of its own process', () => {
  it('that is on its way back waits for it and is made again', async () => {
    const { forwarder, waits } = forwarderAway(1, true);
    expect(await forwarder.getCapabilities({})).toEqual({ call: 2 });
    expect(waits()).toBe(1);
  });

  it('that stays away says where it should be', async () => {
    const { forwarder } = forwarderAway(2, false);
    await expect(forwarder.getCapabilities({})).rejects.toThrow(
      'the forwarder of this node does not answer on /run/nsm/forwarder.sock; is `nsm forwarder` running?',
    );
  });
});
