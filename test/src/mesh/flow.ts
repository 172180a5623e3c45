// A hundred pings a second that go on while something happens: every one is to be answered.
import { spawnIn, waitFor } from '@nsm/testkit';

export interface Flow extends AsyncDisposable {
  /** Ends it and counts; the last packet may still be on its way and is left out. */
  end(): Promise<{ readonly sent: number; readonly received: number }>;
}

/** A hundred pings a second, until `end`. */
export const flow = async ({ name }: { readonly name: string }, address: string): Promise<Flow> => {
  const running = await spawnIn(name, 'ping', ['-n', '-i', '0.01', address]);
  await waitFor(() => running.output().includes('icmp_seq=2 '), { what: 'the first answers' });
  return {
    end: async () => {
      running.child.kill('SIGINT');
      await running.exited;
      const counts = /(\d+) packets transmitted, (\d+) received/.exec(running.output());
      const [sent, received] = [Number(counts?.[1]), Number(counts?.[2])];
      const last = running.output().includes(`icmp_seq=${sent} `);
      return last ? { sent, received } : { sent: sent - 1, received };
    },
    [Symbol.asyncDispose]: () => running.stop(),
  };
};
