// What the containers of the benchmark's pods run: the product's image has a Node.js, and no shell.

/** Path of Node.js in the image, which is not in its PATH. */
const node = '/usr/lib/nsm/bin/node';
const program = (source: string): Run => ({ command: [node, '-e', source] });

interface Run {
  readonly command: readonly string[];
}

export const inPod: {
  readonly doesNothing: Run;
  readonly watchesInterface: Run;
  connects(service: string, count: number): Run;
} = {
  doesNothing: program('setInterval(() => undefined, 1e6)'),

  /** Prints "up" when the other end of nsm-1 has refused a TCP connection, so answered, and "down" when nsm-1 is gone. */
  watchesInterface: program(`
    const { networkInterfaces } = require('node:os');
    const { connect } = require('node:net');
    let up = false, asking = false;
    console.log('begun');
    setInterval(() => {
      const [own] = networkInterfaces()['nsm-1'] ?? [];
      if (!own && up) { up = false; console.log('down'); }
      if (!own || up || asking) return;
      asking = true;
      const host = own.address.replace(/\\d+$/, (last) => Number(last) ^ 1);
      const socket = connect({ host, port: 9 }).on('error', ({ code }) => {
        if (code === 'ECONNREFUSED') { up = true; console.log('up'); }
      });
      // The kernel would try again after a second.
      socket.on('close', () => { asking = false; }).setTimeout(20, () => socket.destroy());
    }, 2);
  `),

  /** Asks for connections when what comes of the pod's own beginning has been written down. Prints "begun" before, and "connected" later. */
  connects: (service, count) =>
    program(`
    const { execFileSync } = require('node:child_process');
    const { setTimeout: sleep } = require('node:timers/promises');
    (async () => {
      await sleep(4000);
      console.log('begun');
      await sleep(1000);
      for (let n = 0; n < ${count}; n++)
        execFileSync('/usr/bin/nsm', ['connect', '${service}', '--request-id', 'bench-' + n]);
      await sleep(2000);
      console.log('connected');
      setInterval(() => undefined, 1e6);
    })();
  `),
};
