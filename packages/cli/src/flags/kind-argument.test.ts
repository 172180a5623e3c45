// Kinds of things as people write them.
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { kindArgument } from './kind-argument.js';

function read(kinds: readonly string[], text: string): string {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  return command.addArgument(kindArgument(kinds, 'x')).parse([text], { from: 'user' }).processedArgs[0];
}

describe('a kind of thing', () => {
  it('may be in singular or plural', () => {
    expect(read(['connections', 'services'], 'connection')).toBe('connections');
    expect(read(['connection', 'service'], 'services')).toBe('service');
  });

  it('that is none is answered with the nearest', () => {
    const write = () => read(['connections', 'services'], 'conections');
    expect(write).toThrow(/Allowed choices are connections, services\. Did you mean connections\?$/);
    expect(() => read(['connections'], 'xyzzy')).toThrow(/Allowed choices are connections\.$/);
  });
});
