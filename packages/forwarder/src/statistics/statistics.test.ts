// What is told of shared memory: at each end packets add up, and every drop has its reason.
import { describe, expect, it } from 'vitest';
import type { TunnelTraffic } from '../bpf/tunnel-counters.js';
import type { SharedTraffic } from '../interfaces/shared/shared-engine.js';
import {
  beforeShared,
  statisticsOfDevice,
  statisticsOfShared,
  statisticsOfSharedTunnel,
} from './statistics.js';

const shared: SharedTraffic = {
  sent: { packets: 20n, bytes: 2000n, drops: 1n },
  received: { packets: 30n, bytes: 3000n, drops: 2n },
  unheard: 4n,
};
const device = {
  rxPackets: 20,
  txPackets: 36,
  rxBytes: 2000,
  txBytes: 3600,
  rxErrors: 0,
  txErrors: 0,
  rxDropped: 0,
  txDropped: 0,
  multicast: 0,
  collisions: 0,
};

describe('statistics of shared memory', () => {
  it('says why packets of either pod did not get to the other', () => {
    expect(statisticsOfShared(shared)).toEqual({
      sentPackets: 20n,
      sentBytes: 2000n,
      sentDrops: 1n,
      receivedPackets: 30n,
      receivedBytes: 3000n,
      receivedDrops: 6n,
      drops: { 'sent, not a frame': 1n, 'received, too large': 2n, 'received, not taken by the pod': 4n },
    });
    const { sentDrops, receivedDrops, drops } = beforeShared(statisticsOfDevice(device, 'tun'), shared);
    expect({ sentDrops, receivedDrops, drops }).toEqual({
      sentDrops: 6n,
      receivedDrops: 1n,
      drops: { 'sent, too large': 2n, 'sent, not taken by the pod': 4n, 'received, not a frame': 1n },
    });
  });

  it('counts at the end of a tunnel what has left it and did not get to the pod', () => {
    const tunnel: TunnelTraffic = {
      sent: { packets: 19n, bytes: 1900n, drops: new Map([['too large', 1n]]) },
      received: { packets: 50n, bytes: 5000n, drops: new Map([['truncated', 5n]]) },
      unmatched: new Map(),
    };
    const report = statisticsOfSharedTunnel(tunnel, shared, device);
    expect(report).toEqual({
      sentPackets: 19n,
      sentBytes: 1900n,
      sentDrops: 2n,
      receivedPackets: 30n,
      receivedBytes: 3600n,
      receivedDrops: 25n,
      drops: {
        'sent, too large': 1n,
        'sent, not a frame': 1n,
        'received, truncated': 5n,
        'received, too large': 2n,
        // Fourteen that the device dropped, and four that it gave to nobody.
        'received, not taken by the pod': 18n,
      },
    });
    // All that came through the tunnel is either received or dropped.
    expect(report.receivedPackets + report.receivedDrops).toBe(55n);
  });
});
