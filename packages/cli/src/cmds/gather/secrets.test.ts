// What is secret does not leave, by its form, by the name of its field, or because it was found on this machine.
import { describe, expect, it } from 'vitest';
import { leftOut, Secrets } from './secrets.js';

const secrets = new Secrets(['hunter2-of-etcd', 'x']);
const key = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB\n-----END EC PRIVATE KEY-----';

describe('a text', () => {
  it.each([
    [`before\n${key}\nafter`, 'before\nprivate key (left out)\nafter'],
    ['-----BEGIN PRIVATE KEY-----\\nMIG', 'private key (left out)'],
    ['jwt eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln!', 'jwt (left out)!'],
    ['Authorization: Bearer abcdefgh1234', 'Authorization: Bearer (left out)'],
    ['etcd://root:pw@192.0.2.1:2379/nsm', 'etcd://(left out)@192.0.2.1:2379/nsm'],
    ['nsm manager --join 3f2a.bb@192.0.2.1:5001', 'nsm manager --join (left out)@192.0.2.1:5001'],
    ['NSM_ETCD_PASSWORD="two words" next', 'NSM_ETCD_PASSWORD=(left out) next'],
    ['{"password":"abc","user":"u"}', '{"password":(left out),"user":"u"}'],
    ['the password is hunter2-of-etcd', 'the password is (left out)'],
    ['netns=red,pod-label.team=blue,uid=0', 'netns=red,pod-label.team=(left out),uid=0'],
  ])('%j', (text, expected) => {
    expect(secrets.withoutIn(text)).toBe(expected);
  });

  it.each(['a-', 'a_-', 'a.', 'eyJaaaaaaaa-', 'bearer ', '--join=', 'token=', 'pod-label.', '://:'])(
    'of a stranger keeps nobody waiting: %s without end',
    (word) => {
      const text = word.repeat((512 << 10) / word.length);
      expect(secrets.withoutIn(text)).toBe(word === 'token=' ? `token=${leftOut}` : text);
    },
  );

  it('stays as it is without a secret in it', () => {
    const text = 'connection node-a:1-2 of token-ring to secret-service is x: NSM0201';
    expect(secrets.withoutIn(text)).toBe(text);
  });
});

it('a value without its secrets keeps its shape', () => {
  const value = {
    parameters: { secret: 'memif', ring_size: '512' },
    client: { kubernetes: { namespace: 'a', labels: { team: 'blue' } }, labels: { tier: 'gold' } },
    lines: [key],
    count: 12n,
  };
  expect(JSON.parse(secrets.json(value))).toEqual({
    parameters: { secret: leftOut, ring_size: '512' },
    client: { kubernetes: { namespace: 'a', labels: leftOut }, labels: { tier: 'gold' } },
    lines: ['private key (left out)'],
    count: 12,
  });
});
