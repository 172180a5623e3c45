// Names that a pod's interface may have.
import { expect, it } from 'vitest';
import { whyNoInterfaceName } from './interface-name.js';

it.each(['nsm0', 'nsm%d', 'eth%d', 'eth1', 'fw.100', 'x'.repeat(15)])('%s names an interface', (name) =>
  expect(whyNoInterfaceName(name)).toBe(''),
);

it.each([
  ...[
    '',
    '.',
    '..',
    'all',
    'default',
    'a/b',
    'a b',
    'a:1',
    '%',
    'a%d%d',
    'x'.repeat(16),
    'x'.repeat(15).concat('%d'),
  ],
  ...['lo', 'eth0', 'gre0', 'tunl0', 'sit0', 'ip6tnl0'],
])('%j names none', (name) => expect(whyNoInterfaceName(name)).toMatch(/^cannot name/));
