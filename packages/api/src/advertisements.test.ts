// Thousands of services in one message, and more than fit in several.
import { toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { advertisementsOf } from './advertisements.js';
import { EndpointAdvertiseRequestSchema } from './gen/nseconnect_pb.js';

const services = (count: number, length: number) =>
  Array.from({ length: count }, (_, n) => ({
    networkServiceName: `service-${n}`.padEnd(length, 'x'),
    nseProviderName: 'many',
    socketLocation: '/run/nsm/endpoints/many.sock',
  }));

describe('an advertisement', () => {
  it.each([
    [1, 12, 1],
    [5000, 12, 1],
    [8192, 12, 1],
    [8193, 12, 2],
    [5000, 253, 2],
  ])(
    'of %i services with names of %i bytes is in %i messages, none larger than 1 MiB',
    (count, length, messages) => {
      const parts = advertisementsOf(services(count, length));
      expect(parts).toHaveLength(messages);
      expect(parts.flatMap(({ networkEndpoint }) => networkEndpoint)).toHaveLength(count);
      for (const part of parts)
        expect(toBinary(EndpointAdvertiseRequestSchema, part).length).toBeLessThan(1 << 20);
    },
  );
});
