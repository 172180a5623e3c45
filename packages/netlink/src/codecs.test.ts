// The codecs of links, addresses, routes, neighbours and rules: round trips, and garbage.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIp } from './address/ip-prefix.js';
import { formatMac } from './address/mac-address.js';
import { DecodeError } from './decode-error.js';
import { decodeFeatures } from './link/ethtool.js';
import { decodeLink } from './link/link.js';
import { encodeLinkChanges, encodeLinkSpec } from './link/link-encode.js';
import type { NetlinkLinkSpec } from './link/link-spec.js';
import { type Message, MessageWriter, messagesIn } from './protocol/message.js';
import type { Protocol, Scope } from './protocol/route-names.js';
import { type AddressSpec, decodeAddress, encodeAddress } from './route/addresses.js';
import { decodeNamespaceId } from './route/namespace-ids.js';
import { decodeNeighbour, encodeForwarding, encodeNeighbour } from './route/neighbours.js';
import { decodeRouteEvent } from './route/route-events.js';
import { decodeRoute, encodeRoute, type RouteSpec } from './route/routes.js';
import { decodeRule, encodeRule, type RuleSpec } from './route/rules.js';
import { decodeFilter } from './tc/filters.js';
import { decodeQdisc } from './tc/qdiscs.js';

const messageOf = (type: number, encode: (writer: MessageWriter) => void): Message => {
  const writer = new MessageWriter();
  const at = writer.start(type, 0, 1);
  encode(writer);
  writer.finish(at);
  const [message] = messagesIn(writer.bytes, writer.length);
  return message!;
};

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const ipv4 = bytes(4).map(formatIp);
const ipv6 = bytes(16).map(formatIp);
const ip = fc.oneof(ipv4, ipv6);
const mac = bytes(6).map(formatMac);
const prefix = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 1, max: 32 })).map(([text, length]) => `${text}/${length}`),
  fc.tuple(ipv6, fc.integer({ min: 1, max: 128 })).map(([text, length]) => `${text}/${length}`),
);
const index = fc.integer({ min: 1, max: 0x7fff_ffff });
const u32 = fc.integer({ min: 1, max: 0xffff_ffff });

// What was left out is the decoder's to fill in.
const expectGiven = (decoded: object, given: object): void => {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  expect(decoded).toMatchObject(Object.fromEntries(entries));
};

describe('round trips', () => {
  it('addresses', () => {
    const spec: fc.Arbitrary<AddressSpec> = fc.record(
      {
        address: prefix,
        nodad: fc.boolean(),
        scope: fc.constantFrom<Scope[]>('global', 'link', 'host', 77),
        label: fc.constantFrom('eth0', 'eth0:1'),
        broadcast: ipv4,
      },
      { requiredKeys: ['address'] },
    );
    fc.assert(
      fc.property(index, spec, (link, given) => {
        const decoded = decodeAddress(messageOf(20, (writer) => encodeAddress(writer, link, given)));
        expectGiven(decoded, given);
        expect(decoded.index).toBe(link);
      }),
    );
  });

  it('point-to-point addresses', () => {
    const spec = { address: '10.0.0.1/32', peer: '10.0.0.2/32' };
    expect(decodeAddress(messageOf(20, (writer) => encodeAddress(writer, 1, spec)))).toMatchObject({
      address: '10.0.0.1/32',
      peer: '10.0.0.2',
    });
  });

  it('routes', () => {
    const hop = fc.record({
      gateway: ipv4,
      device: index,
      weight: fc.integer({ min: 1, max: 256 }),
      onlink: fc.boolean(),
    });
    const spec: fc.Arbitrary<RouteSpec> = fc.record(
      {
        destination: fc.oneof(prefix, fc.constant('default')),
        gateway: ip,
        device: index,
        metric: u32,
        table: fc.oneof(
          fc.constantFrom('main' as const, 'local' as const),
          fc.integer({ min: 256, max: 0xffff_ffff }),
        ),
        scope: fc.constantFrom('global', 'link', 'host'),
        type: fc.constantFrom('unicast', 'blackhole', 'local'),
        protocol: fc.constantFrom<Protocol[]>('static', 'boot', 99),
        onlink: fc.boolean(),
        mtu: u32,
        advmss: u32,
        multipath: fc.array(hop, { minLength: 1, maxLength: 3 }),
      },
      { requiredKeys: ['destination'] },
    );
    fc.assert(
      fc.property(spec, (given) => {
        expectGiven(decodeRoute(messageOf(24, (writer) => encodeRoute(writer, given))), given);
      }),
    );
  });

  it('neighbours and forwarding entries', () => {
    const state = fc.constantFrom('none', 'reachable', 'stale', 'noarp', 'permanent' as const);
    const flags = fc.uniqueArray(
      fc.constantFrom('use', 'self', 'master', 'proxy', 'router', 'managed' as const),
    );
    fc.assert(
      fc.property(ip, index, mac, state, flags, (address, device, hardware, wanted, list) => {
        const spec = { address, device, mac: hardware, state: wanted, flags: list };
        const decoded = decodeNeighbour(messageOf(28, (writer) => encodeNeighbour(writer, spec)));
        expect(decoded).toMatchObject({ ...spec, flags: expect.anything() });
        expect([...decoded.flags].sort()).toEqual([...list].sort());
      }),
    );
    fc.assert(
      fc.property(ip, index, mac, fc.nat(0xffff), (destination, device, hardware, port) => {
        const spec = { destination, device, mac: hardware, port, vni: 5, vlan: 7 };
        expect(decodeNeighbour(messageOf(28, (writer) => encodeForwarding(writer, spec)))).toMatchObject({
          family: 'bridge',
          address: destination,
          mac: hardware,
          port,
          vni: 5,
          vlan: 7,
          state: 'permanent',
          flags: ['self'],
        });
      }),
    );
  });

  it('rules', () => {
    const spec: fc.Arbitrary<RuleSpec> = fc.record({
      priority: u32,
      from: prefix,
      inputDevice: fc.constantFrom('lo', 'eth0'),
      mark: u32,
      table: fc.oneof(fc.constant('main' as const), fc.integer({ min: 256, max: 0xffff_ffff })),
      action: fc.constantFrom('lookup', 'blackhole', 'prohibit'),
      suppressPrefixLength: fc.nat(128),
      invert: fc.boolean(),
    });
    fc.assert(
      fc.property(spec, (given) => {
        expectGiven(decodeRule(messageOf(32, (writer) => encodeRule(writer, given))), given);
      }),
    );
  });

  it('links', () => {
    const spec: fc.Arbitrary<NetlinkLinkSpec> = fc.record(
      {
        kind: fc.constant('vxlan' as const),
        name: fc.constantFrom('nsm0', 'nsm%d'),
        index,
        mac,
        mtu: u32,
        up: fc.boolean(),
        group: u32,
        master: u32,
        id: fc.nat(0xff_ffff),
        local: ip,
        remote: ip,
        link: index,
        port: fc.nat(0xffff),
        learning: fc.boolean(),
        ttl: fc.oneof(fc.nat(255), fc.constant('inherit' as const)),
        tos: fc.constantFrom('inherit' as const, 16),
        udpChecksum: fc.boolean(),
        df: fc.constantFrom('unset', 'set', 'inherit' as const),
        external: fc.boolean(),
      },
      { requiredKeys: ['kind', 'name'] },
    );
    fc.assert(
      fc.property(spec, (given) => {
        const decoded = decodeLink(messageOf(16, (writer) => encodeLinkSpec(writer, given)));
        const common = ['name', 'index', 'mac', 'mtu', 'up', 'group', 'master'];
        const entries = Object.entries(given);
        expectGiven(decoded, Object.fromEntries(entries.filter(([key]) => common.includes(key))));
        expectGiven(decoded.data!, Object.fromEntries(entries.filter(([key]) => !common.includes(key))));
      }),
    );
  });

  it('VXLAN uses the port of RFC 7348 unless told otherwise', () => {
    for (const [port, expected] of [
      [undefined, 4789],
      [8472, 8472],
    ] as const) {
      const spec = { kind: 'vxlan', name: 'x', id: 1, port } as const;
      expect(decodeLink(messageOf(16, (writer) => encodeLinkSpec(writer, spec))).data).toMatchObject({
        port: expected,
      });
    }
  });
});

describe('refusals', () => {
  it('a link alias longer than 255 bytes', () => {
    const changes = { alias: 'ä'.repeat(128) };
    expect(() => messageOf(16, (writer) => encodeLinkChanges(writer, 1, changes))).toThrow(DecodeError);
  });
});

const decoders = {
  decodeAddress,
  decodeFeatures,
  decodeFilter,
  decodeLink,
  decodeNamespaceId,
  decodeNeighbour,
  decodeQdisc,
  decodeRoute,
  decodeRule,
};

describe.each(Object.entries(decoders))('%s', (_, decode) => {
  const survives = (payload: Uint8Array): void => {
    const message = messageOf(16, (writer) => {
      const at = writer.reserve(payload.length);
      writer.bytes.set(payload, at);
    });
    // Nothing after the message that a decoder reading too far could take for its own.
    const exact = { ...message, bytes: Buffer.from(message.bytes.subarray(0, message.end)) };
    try {
      decode(exact);
    } catch (error) {
      expect(error).toBeInstanceOf(DecodeError);
    }
  };

  it('throws nothing but DecodeError on garbage', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), survives), { numRuns: 1000 });
  });

  it('throws nothing but DecodeError on attributes of the wrong length', () => {
    // Well-formed attributes with types that mean something, of lengths that do not fit.
    const attribute = fc.tuple(fc.nat(60), fc.uint8Array({ maxLength: 12 }));
    fc.assert(
      fc.property(
        fc.constantFrom(4, 8, 12, 16, 20),
        fc.array(attribute, { maxLength: 8 }),
        (header, list) => {
          const writer = new MessageWriter();
          writer.reserve(header);
          if (header >= 1) writer.bytes[0] = 2;
          for (const [type, value] of list) writer.raw(type, value);
          survives(writer.bytes.subarray(0, writer.length));
        },
      ),
    );
  });
});

describe('events', () => {
  it('are undefined for messages that tell nothing', () => {
    expect(
      decodeRouteEvent(
        messageOf(3, () => {}),
        undefined,
      ),
    ).toBeUndefined();
  });
});
