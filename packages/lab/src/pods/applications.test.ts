// What is said where there is no application for a pod's socket.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType } from '@nsm/api';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { missingApplications } from './applications.js';

const application = (type: InterfaceType) => ({
  place: { namespace: 'pod' },
  port: create(fw.PortSchema, { type }),
});

afterEach(() => vi.unstubAllEnvs());

describe('missingApplications', () => {
  it('names what VHOST needs, and asks for nothing for MEM', () => {
    vi.stubEnv('PATH', '/nonexistent');
    expect(missingApplications([application(InterfaceType.VHOST_INTERFACE)])).toMatch(
      /nothing here speaks vhost-user: dpdk-testpmd is not installed; on Debian: apt-get install dpdk-dev/,
    );
    expect(missingApplications([application(InterfaceType.MEM_INTERFACE)])).toBe('');
  });
});
