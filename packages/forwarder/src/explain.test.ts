// What the kernel refuses, in words that say what to do about it.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, TunnelType } from '@nsm/api';
import { NamespaceError, NetlinkError } from '@nsm/netlink';
import { describe, expect, it } from 'vitest';
import { explain } from './explain.js';

const wanted = create(fw.CrossConnectSchema, {
  client: { mtu: 1230 },
  tunnel: { type: TunnelType.VXLAN, local: '10.0.0.1', port: 4789, identifier: 7 },
});
const refused = (code: number, operation: string, object: string, text?: string): NetlinkError =>
  new NetlinkError(code, operation, object, { text });

describe('explain', () => {
  it.each([
    [
      refused(17, 'add link', 'nsm0 for netns 7 in netns 8'),
      /^an interface named "nsm0" exists already in the pod/,
    ],
    [
      refused(17, 'add link', 'nsm0', 'A VXLAN device with the specified VNI already exists'),
      /^identifier 7 is a vxlan device's of somebody else on this node; ask again: .*VNI already exists/,
    ],
    [
      refused(98, 'set link', '#3 in netns 7'),
      /^UDP port 4789 belongs to another program of this node, .*EADDRINUSE/,
    ],
    [
      refused(22, 'add address', 'fd00::1/127 to #3 in netns 7'),
      /^MTU 1230 is too small for IPv6, which needs 1280; raise the underlay MTU to 1330 \(EINVAL/,
    ],
    [refused(22, 'add address', '10.0.0.0/31 to #3 in netns 7'), /^EINVAL/],
    [
      refused(97, 'add address', 'fd00::1/127 to #3 in netns 7'),
      /^this kernel has no IPv6; start it without ipv6.disable=1, or .*EAFNOSUPPORT/,
    ],
    [refused(95, 'add address', 'fe80::1/64 to #3 in netns 7'), /^this kernel has no IPv6; .*EOPNOTSUPP/],
    [refused(13, 'add address', 'fd00::1/127 to #3', 'IPv6 is disabled on this device'), /^EACCES.*disabled/],
  ])('says of %s what is the matter', (error, message) => {
    expect(explain(error, wanted)).toMatchObject({
      kind: 'dataplane',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    [refused(24, 'open netlink socket', ''), 'RLIMIT_NOFILE'],
    [refused(105, 'add neighbour', '10.0.0.1 on #3 in netns 7'), 'gc_thresh3'],
    [
      new NamespaceError('failed', 'net:[7]', 'cannot open it', refused(24, 'cannot open it', 'net:[7]')),
      'RLIMIT_NOFILE',
    ],
  ])('names the limit where %s', (error, limit) => {
    expect(explain(error, wanted)).toMatchObject({
      kind: 'exhausted',
      message: expect.stringContaining(limit),
    });
  });

  it('tells missing privileges from what is wrong with a namespace', () => {
    expect(explain(refused(1, 'add link', 'nsm0'))).toMatchObject({ kind: 'privilege' });
    const long = explain(new NamespaceError('invalid', 'x'.repeat(1 << 20), 'it is too long'));
    expect(long.kind).toBe('invalid');
    expect(long.message.length).toBeLessThan(150);
  });
});
