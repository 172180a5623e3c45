// A bridge: all clients are in one Ethernet segment and one prefix, and reach each other directly.

import { NsmError, sourceCheck, takeNamespaceLock } from '@nsm/api';
import { type EndpointAnswer, type EndpointRequest, type InterfaceOption, serve } from '@nsm/sdk';
import { BridgeDevice } from './bridge-device.js';
import { ReadyMade, type ReadyMadeOptions } from './ready-made.js';
import { keyOf, SegmentAddresses } from './segment-addresses.js';

export interface BridgeOptions extends Omit<ReadyMadeOptions, 'addresses' | 'prefixes'> {
  /** Prefixes of the segment, one of each version of IP: the bridge has the first address, each client another. */
  readonly prefixes: readonly string[];
  /** Name of the bridge. Default: `nsm-bridge`. */
  readonly device?: string | undefined;
  /**
   * Of all clients, bytes: a bridge cannot tell a client that a packet is too large for another client. Default: 1430, what
   * fits through every kind of tunnel where Ethernet is between the nodes.
   */
  readonly mtu?: number | undefined;
}

/** Bytes: 1500 less the 70 of VXLAN over IPv6, of all kinds of tunnel the most. */
const fitsEverywhere = 1430;

/**
 * Makes a bridge in the process's own network namespace and serves it.
 * @throws NsmError `invalid` without usable prefixes, `conflict` when the device exists, `privilege`, `dataplane`, and what serve() throws.
 */
export async function bridge(options: BridgeOptions): Promise<ReadyMade> {
  const { prefixes, device = 'nsm-bridge', mtu = fitsEverywhere, routes = [] } = options;
  const segments = prefixes.map((prefix) => new SegmentAddresses(prefix));
  if (segments.length === 0 || new Set(segments.map(({ family }) => family)).size < segments.length)
    throw new NsmError(
      'invalid',
      'a bridge needs one prefix, or one of each version of IP: --prefix 10.70.0.0/24',
    );
  const release = await takeNamespaceLock(`nsm-bridge-${device}`, `a bridge "${device}"`);
  try {
    const own = segments.map((segment) => segment.own);
    const members = new BridgeDevice({ name: device, mtu, addresses: own });
    const undo = (): void => {
      members[Symbol.dispose]();
      release();
    };
    const tell = options.onClient ?? (() => {});
    const answerTo = (request: EndpointRequest): EndpointAnswer => {
      if (request.interfaceName === '') return { refuse: 'the manager does not say how it names the device' };
      if (request.maxMtu > 0 && request.maxMtu < mtu)
        return {
          refuse: `only ${request.maxMtu} bytes fit through this connection, and all clients have an MTU of ${mtu}: start the bridge with --mtu ${request.maxMtu}`,
        };
      const addresses = segments.map((segment) => segment.take(request));
      const taken = addresses.flatMap((address) => (address === undefined ? [] : [address]));
      if (taken.length < segments.length) {
        for (const segment of segments) segment.release(request);
        const full = segments[addresses.indexOf(undefined)];
        return { refuse: `all ${full?.size} IPv${full?.family} addresses of the segment are taken` };
      }
      members.expect(keyOf(request), request.interfaceName);
      const peerAddresses = own.map((address) => address.replace(/\/\d+$/, ''));
      return { addresses: taken, peerAddresses, mtu, routes };
    };
    try {
      const served = await serve({
        ...options,
        prefixes: [],
        interfaces: (options.interfaces ?? ['kernel']).map(forwarding),
        onConnect: (request) => {
          const answer = answerTo(request);
          tell({ kind: answer.refuse ? 'refused' : 'accepted', request, reason: answer.refuse ?? '' });
          return answer;
        },
        onClose: (request, reason) => {
          for (const segment of segments) segment.release(request);
          members.forget(keyOf(request), request.interfaceName);
          tell({ kind: 'gone', request, reason });
        },
      });
      return new ReadyMade(served, undo);
    } catch (thrown) {
      members[Symbol.dispose]();
      throw thrown;
    }
  } catch (thrown) {
    release();
    throw thrown;
  }
}

/** What a client gets from a bridge is from other clients. From where they may send is checked where each sends into the bridge. */
function forwarding(one: InterfaceOption): InterfaceOption {
  const given = typeof one === 'string' ? { type: one } : one;
  return { ...given, parameters: { ...given.parameters, [sourceCheck]: 'off' } };
}
