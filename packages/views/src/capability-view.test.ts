// What is shown of kinds of tunnel that several engines carry.
import { create } from '@bufbuild/protobuf';
import { forwarder, TunnelType } from '@nsm/api';
import { expect, it } from 'vitest';
import { tunnelCapabilityViews } from './capability-view.js';
import { howText } from './texts.js';

it('a view tells which engine carries a kind of tunnel, and which stands by', () => {
  const capability = (type: TunnelType, engine: string, missing = ''): forwarder.TunnelCapability =>
    create(forwarder.TunnelCapabilitySchema, { type, engine, missing });
  const { VXLAN, GRE } = TunnelType;
  const shown = tunnelCapabilityViews([
    capability(VXLAN, 'kernel vxlan device'),
    capability(VXLAN, 'eBPF'),
    capability(GRE, 'eBPF', 'no libbpf'),
  ]);
  expect(shown.map((view) => `${view.type} ${howText(view)}`)).toEqual([
    'VXLAN kernel vxlan device',
    'VXLAN eBPF, stands by',
    'GRE no libbpf',
  ]);
});
