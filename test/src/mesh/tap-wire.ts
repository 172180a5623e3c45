// A cable between two machines: what crosses it are bytes, without the kernel's marks, uncut packets and unfinished checksums
// that two ends of a veth pair hand each other.
import { fileURLToPath } from 'node:url';
import { type Running, spawnIn, waitFor } from '@nsm/testkit';

const program = fileURLToPath(new URL('./tap-wire-main.js', import.meta.url));

/** Makes a device of that name in two namespaces, which go with the process. */
export async function layTapWire(device: string, one: string, other: string): Promise<Running> {
  const running = await spawnIn(undefined, process.execPath, [program, device, one, other]);
  await waitFor(() => running.output().includes('laid'), { what: 'the cable being laid' });
  return running;
}
