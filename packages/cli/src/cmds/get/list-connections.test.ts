// Which connections are listed.
import { create } from '@bufbuild/protobuf';
import { admin } from '@nsm/api';
import { connectionView } from '@nsm/views/connection-view';
import { expect, it } from 'vitest';
import { isWanted } from './list-connections.js';

it.each([
  [{ state: [] }, true],
  [{ state: ['SYNCED', 'STALE'] }, true],
  [{ state: ['HEALING'] }, false],
  [{ state: [], service: 'vpn' }, true],
  [{ state: ['SYNCED'], service: 'other' }, false],
])('%j wants a connection to vpn that is up: %s', (flags, wanted) => {
  const view = connectionView(create(admin.ConnectionSchema, { state: 'UP', networkServiceName: 'vpn' }));
  expect(isWanted(view, flags)).toBe(wanted);
});
