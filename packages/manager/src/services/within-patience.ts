// Operators do not wait for a forwarder that hangs: that may be what they are to see.
import { NsmError, within } from '@nsm/api';

/** Milliseconds. */
const patienceMs = 2000;

/** @throws NsmError `unavailable` */
export async function withinPatience<T>(answer: Promise<T>): Promise<T> {
  return await within(patienceMs, answer, () => {
    const words = `the forwarder of this node has not answered for ${patienceMs / 1000} s: is it stopped, or overloaded?`;
    throw new NsmError('unavailable', words);
  });
}
