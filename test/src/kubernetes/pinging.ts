// Pings that run in a pod while something happens to the mesh, and how many of them were lost.

type Exec = (command: readonly string[]) => Promise<string>;

/** Milliseconds between two pings. */
const intervalMs = 50;

export class Pinging {
  readonly #exec: Exec;
  readonly #process: string;

  private constructor(exec: Exec, process: string) {
    this.#exec = exec;
    this.#process = process;
  }

  /** Begins with a first ping that is answered. Rejects when none is within 10 s. */
  static async start(exec: Exec, address: string): Promise<Pinging> {
    // `exec` ends when what it started no longer has its streams.
    const log = `/tmp/ping-${address.replaceAll(/[^0-9a-f.]/g, '-')}`;
    const script = `ping -i ${intervalMs / 1000} ${address} >${log} 2>&1 </dev/null & echo $! ${log}
      for i in $(seq 100); do grep -q ' bytes from ' ${log} && exit; sleep 0.1; done; cat ${log} >&2; exit 1`;
    return new Pinging(exec, (await exec(['sh', '-c', script])).trim());
  }

  /** How many were sent, and how many of them were not answered. */
  async stop(): Promise<{ readonly sent: number; readonly lost: number }> {
    const [pid, log] = this.#process.split(' ');
    // The statistics are the last that ping writes.
    const script = `kill -INT ${pid}; for i in $(seq 50); do grep -q loss ${log} && break; sleep 0.1; done; cat ${log}`;
    const text = await this.#exec(['sh', '-c', script]);
    const [, sent, received] = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(text) ?? [];
    if (sent === undefined) throw new Error(`ping wrote no statistics: ${text.slice(-500)}`);
    // A ping that was sent a moment before the end has no answer yet.
    const answered = new Set([...text.matchAll(/ seq=(\d+) /g)].map(([, number]) => Number(number)));
    const inFlight = answered.has(Number(sent) - 1) ? 0 : 1;
    return { sent: Number(sent) - inFlight, lost: Number(sent) - inFlight - Number(received) };
  }
}
