// A hundred pings a second that go on while something happens: every one is to be answered.
import { lastAnswered, readPing, spawnIn, waitFor } from '@nsm/testkit';

export interface Flow extends AsyncDisposable {
  /** Number of the last ping that was answered, from 1 on. */
  lastAnswered(): number;
  /**
   * Ends it and counts; what may still be on its way is left out.
   * @throws Error when there are no answers any more
   */
  end(): Promise<{ readonly sent: number; readonly received: number }>;
}

/** A hundred pings a second, until `end`. */
export const flow = async ({ name }: { readonly name: string }, address: string): Promise<Flow> => {
  const running = await spawnIn(name, 'ping', ['-n', '-i', '0.01', address]);
  const last = (): number => lastAnswered(running.output());
  await waitFor(() => last() >= 2, { what: 'the first answers' });
  return {
    lastAnswered: last,
    end: async () => {
      const before = last();
      await waitFor(() => last() > before, { what: 'answers in the end' });
      running.child.kill('SIGINT');
      await running.exited;
      return { sent: last(), received: readPing(running.output()).received };
    },
    [Symbol.asyncDispose]: () => running.stop(),
  };
};
