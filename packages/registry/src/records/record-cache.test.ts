// The local copy: what listeners hear when a whole new state replaces it.
import { expect, it } from 'vitest';
import { endpoint, record } from '../compliance/compliance-harness.js';
import type { Registry } from '../registry.js';
import { RecordCache, type RecordEvent } from './record-cache.js';
import { validManager } from './valid-record.js';

const manager = (name: string, address = '10.0.0.1:5001'): RecordEvent => ({
  case: 'managerPut',
  value: validManager({ name, address }),
});
const put = (name: string, socketLocation = '/run/s'): RecordEvent => ({
  case: 'endpointPut',
  value: endpoint(name, { socketLocation }),
});

it('tells the difference only', () => {
  const cache = new RecordCache();
  cache.replace([manager('a'), manager('b'), manager('c'), put('one'), put('two'), put('three')]);
  const heard = record(cache as unknown as Registry);
  cache.synced = true;
  heard.length = 0;
  cache.replace([
    manager('a'),
    manager('b', '10.0.0.9:1'),
    manager('d'),
    put('one'),
    put('two', '/new'),
    put('four'),
  ]);
  expect(heard).toEqual([
    '+b',
    '+d',
    '+firewall/default/two',
    '+firewall/default/four',
    '-firewall/default/three',
    '-c',
  ]);
  expect(cache.endpointsOf('firewall')).toHaveLength(3);
  cache.replace([]);
  expect([...cache.endpoints(), ...cache.managers]).toEqual([]);
});

it('says synced once to each listener, when it is', () => {
  const cache = new RecordCache();
  const early = record(cache as unknown as Registry);
  expect(early).toEqual([]);
  for (const synced of [true, false, true]) cache.synced = synced;
  expect(early).toEqual(['synced']);
});
