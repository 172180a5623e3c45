// What a manager is told to be its own: refused, warned of, or taken, in a namespace with one address.
import { leaks, makeNamespace, requireRoot } from '@nsm/testkit';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { admitTunnelAddress, warnOfStrangeAddresses } from './admit-own-addresses.js';

describe.skipIf(!requireRoot('own addresses'))('the addresses of a manager', () => {
  afterAll(() => expect(leaks()).toEqual([]));

  it.each([
    [{}, []],
    [{ tunnelAddress: '10.9.0.1' }, []],
    [{ tunnelAddress: 'fd09::1' }, []],
    [{ tunnelAddress: '10.9.0.7' }, ['no device of this node has the --tunnel-address: until one has']],
    [{ advertise: '127.0.0.1:5001' }, []],
    [{ advertise: '127.0.0.1:5001', registry: 'nsm://127.0.0.1:5002' }, []],
    [{ advertise: '[::1]:5001', registry: 'nsm://10.9.0.2:5001' }, ['is a loopback address']],
    [{ advertise: '127.0.0.2:5001', registry: 'nsm://10.9.0.2:5001' }, ['is a loopback address']],
    [{ advertise: '10.9.0.1:5001', registry: 'nsm://10.9.0.2:5001' }, []],
  ])('%j: warned of %j', async (given, warnings) => {
    await using node = makeNamespace('node');
    const { route } = node;
    route.addLink({ kind: 'bridge', name: 'eth0', up: true });
    for (const address of ['10.9.0.1/24', 'fd09::1/64'])
      route.addAddress(route.link('eth0')!.index, { address, nodad: true });
    const said: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => said.push(line) });
    const options = { advertise: '10.9.0.1:5001', registry: 'embedded:', ...given };
    node.namespace.run(() => warnOfStrangeAddresses(options, logger));
    expect(said).toHaveLength(warnings.length);
    for (const [at, warning] of warnings.entries()) expect(said[at]).toContain(warning);
  });

  it.each(['127.0.0.1', '224.0.0.1', '0.0.0.0', 'fe80::1', 'x'])('no tunnel begins at %s', (text) =>
    expect(() => admitTunnelAddress(text)).toThrow(`--tunnel-address ${text} `),
  );
});
