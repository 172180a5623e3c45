import type { MachineCredentials } from '@nsm/pki';
import { type ManagerView, managerView } from '@nsm/views/manager-view';
import { describe, expect, it } from 'vitest';
import { meshSource } from './mesh-source.js';

const flags = { runDir: [], manager: [] };
const credentials = { current: {} } as MachineCredentials;
const manager = (security: string): ManagerView => ({
  ...managerView(undefined),
  name: 'node-b',
  address: '10.0.0.2:5001',
  alive: true,
  security,
});

describe('the managers that a page asks', () => {
  const placesOf = ({ feeds }: ReturnType<typeof meshSource>): [where: string, isLocal: boolean][] =>
    feeds.map((feed) => {
      using _feed = feed;
      return [feed.where, feed.isLocal];
    });

  it('are those that are named, and without a name that of this machine', () => {
    expect(placesOf(meshSource(flags, undefined))).toEqual([['/run/nsm', true]]);
    expect(placesOf(meshSource({ ...flags, runDir: ['/run/a', '/run/b'] }, undefined))).toEqual([
      ['/run/a', true],
      ['/run/b', true],
    ]);
    expect(
      placesOf(meshSource({ ...flags, manager: ['node-a@[fd00::1]:5001', 'b:5001'] }, credentials)),
    ).toEqual([
      ['[fd00::1]:5001', false],
      ['b:5001', false],
    ]);
  });

  it.each<[security: string, insecure: boolean, shown: MachineCredentials | undefined, RegExp | undefined]>([
    ['mtls', false, credentials, undefined],
    ['', false, credentials, undefined],
    ['mtls', false, undefined, /nsm pki issue NAME --operator/],
    ['insecure', false, credentials, /--insecure-operators/],
    ['insecure', true, undefined, undefined],
    ['mtls', true, undefined, /nsm pki issue NAME --operator/],
  ])(
    'of other nodes, with %j and insecure %j, are asked or it is said what that needs',
    (security, insecure, shown, why) => {
      const { feedOf } = meshSource({ ...flags, insecure }, shown);
      const feed = feedOf(manager(security));
      if (why) expect(feed).toMatch(why);
      else {
        if (typeof feed === 'string') throw new Error(feed);
        using asked = feed;
        expect(asked.isLocal).toBe(false);
      }
    },
  );

  it('need a certificate where they are named by their address', () => {
    expect(() => meshSource({ ...flags, manager: ['b:5001'] }, undefined)).toThrow(/--operator/);
  });
});
