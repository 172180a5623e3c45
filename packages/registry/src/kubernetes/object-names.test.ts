// Names of the mesh as names of Kubernetes: readable, allowed, and never the same for two things.
import { describe, expect, it } from 'vitest';
import { isNamespaceName, labelValue, objectName, serviceName } from './object-names.js';

const strange = ['x'.repeat(253), 'A', 'a_b', 'a.b', '0'];

describe('names of objects', () => {
  it('stay as they are where they can', () => {
    expect(objectName('gw-1', 'secure-gateway')).toBe('gw-1.secure-gateway');
    expect(objectName('node-a')).toBe('node-a');
    expect(labelValue('Node_A.example')).toBe('Node_A.example');
    expect(serviceName('node-a')).toBe('node-a');
  });

  it.each(strange)('are allowed whatever the mesh has: %s', (name) => {
    expect(objectName(name, name)).toMatch(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
    expect(labelValue(name)).toMatch(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
    expect(serviceName(name)).toMatch(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/);
  });

  it('differ for different things', () => {
    const made = [
      objectName('a.b', 'c'),
      objectName('a', 'b.c'),
      objectName('a', 'b', 'c'),
      objectName('A', 'b', 'c'),
      objectName('a-b', 'c'),
      objectName('a_b', 'c'),
      objectName('x'.repeat(253)),
      objectName('x'.repeat(252)),
    ];
    expect(new Set(made).size).toBe(made.length);
  });

  it('of namespaces are those that Kubernetes allows', () => {
    expect(isNamespaceName('team-a')).toBe(true);
    expect(isNamespaceName('Team')).toBe(false);
    expect(isNamespaceName('x'.repeat(64))).toBe(false);
  });
});
