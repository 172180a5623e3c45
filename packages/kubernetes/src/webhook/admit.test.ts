// What the webhook says of pods, workloads and namespaces.
import { describe, expect, it } from 'vitest';
import { admit } from './admit.js';
import type { Admission, AdmissionRequest, ReviewedObject } from './review.js';

const key = 'networkservicemesh.io';
const gate = { conditionType: 'networkservicemesh.io/connected' };

function reviewed(
  kind: string,
  object: ReviewedObject,
  more: Partial<AdmissionRequest> = {},
  ofNamespace: Record<string, string> = {},
): Admission {
  const group = kind === 'Pod' || kind === 'Namespace' ? '' : 'apps';
  const request = {
    uid: 'u',
    kind: { group, kind },
    operation: 'CREATE',
    namespace: 'default',
    object,
    ...more,
  } as const;
  return admit(request, { image: 'nsm:1', node: '/node', domain: 'nsm', annotationsOf: () => ofNamespace });
}

const annotated = (text: string, spec: ReviewedObject['spec'] = {}): ReviewedObject => ({
  metadata: { annotations: { [key]: text } },
  spec,
});

describe('a mistake', () => {
  it('is refused in a pod, with annotation and column', () => {
    expect(reviewed('Pod', annotated('kernel://a, karnel://b'))).toEqual({
      allowed: false,
      message: expect.stringMatching(
        /^annotation networkservicemesh\.io of the pod, column 13: "karnel" is no type/,
      ),
    });
  });

  it('is refused in a template, where it is made', () => {
    const template = annotated('kernel://');
    expect(reviewed('Deployment', { metadata: {}, spec: { template } }).message).toMatch(
      /of the template of the Deployment, column 10:/,
    );
    expect(reviewed('CronJob', { metadata: {}, spec: { jobTemplate: { spec: { template } } } }).allowed).toBe(
      false,
    );
    // An annotation of the Deployment itself asks for nothing.
    expect(reviewed('Deployment', { ...annotated('kernel://'), spec: { template: {} } }).allowed).toBe(true);
  });

  it('is refused in a namespace, and does not hold up the pods in it', () => {
    expect(reviewed('Namespace', annotated('kernel://')).message).toMatch(/of the namespace, column 10:/);
    const admission = reviewed('Pod', annotated('kernel://a'), {}, { [key]: 'kernel://' });
    expect(admission).toEqual({
      allowed: true,
      warnings: [expect.stringMatching(/of the namespace, column 10/)],
    });
  });

  it('is refused in an edit, and not in an edit of anything else', () => {
    const [wrong, right] = [annotated('x://a'), annotated('kernel://a')];
    expect(reviewed('Pod', wrong, { operation: 'UPDATE', oldObject: right }).allowed).toBe(false);
    expect(reviewed('Pod', right, { operation: 'UPDATE', oldObject: wrong })).toEqual({ allowed: true });
    expect(reviewed('Pod', wrong, { operation: 'UPDATE', oldObject: wrong })).toEqual({ allowed: true });
  });
});

describe('a pod', () => {
  it('that asks for nothing is left as it is', () => {
    expect(reviewed('Pod', { metadata: {}, spec: {} })).toEqual({ allowed: true });
  });

  it('gets the readiness gate, by its own annotation or that of its namespace', () => {
    const patch = [{ op: 'add', path: '/spec/readinessGates', value: [gate] }];
    expect(reviewed('Pod', annotated('kernel://a'))).toEqual({ allowed: true, patch });
    expect(reviewed('Pod', { metadata: {} }, {}, { [key]: 'kernel://a' })).toEqual({ allowed: true, patch });
    expect(reviewed('Pod', annotated('kernel://a', { readinessGates: [gate] }))).toEqual({
      allowed: true,
      patch: [],
    });
  });

  it('with the network of the node is told that it is not attached', () => {
    const { patch, warnings } = reviewed('Pod', annotated('kernel://a', { hostNetwork: true }));
    expect([patch, warnings]).toEqual([undefined, [expect.stringMatching(/hostNetwork/)]]);
  });

  it('gets containers before its own for what is asked for within it', () => {
    const spec = { initContainers: [{ name: 'own' }], readinessGates: [gate] };
    const { patch } = reviewed(
      'Pod',
      annotated(
        'kernel://a, kernel://b/nsm-1?mode=init&color=blue#mtu=1400&accept_routes=10.0.0.0/8%2C2001:db8::/32, kernel://c/nsm-2?mode=sidecar',
        spec,
      ),
    );
    const [{ path, value } = { path: '', value: [] }] = patch ?? [];
    expect(path).toBe('/spec/initContainers');
    const [init, sidecar, own] = value as Record<string, unknown>[];
    expect(own).toEqual({ name: 'own' });
    expect(init).toMatchObject({
      image: 'nsm:1',
      args: [
        ...[
          'connect',
          'b',
          '--wait',
          '60s',
          '--interface',
          'kernel?name=nsm-1&mtu=1400&accept_routes=10.0.0.0%2F8%2C2001%3Adb8%3A%3A%2F32',
          '--label',
          'color=blue',
        ],
        ...['--request-id', '$(POD_UID)'],
      ],
      resources: { limits: { 'networkservicemesh.io/socket': '1' } },
      securityContext: { runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false },
    });
    expect(init).not.toHaveProperty('restartPolicy');
    expect(sidecar).toMatchObject({ restartPolicy: 'Always', args: expect.arrayContaining(['--hold']) });
    expect(sidecar).toHaveProperty('startupProbe.exec.command.0', '/node');
    // Seen a second time it stays as it is.
    expect(
      reviewed('Pod', annotated('kernel://b?mode=init', { ...spec, initContainers: value as never })).patch,
    ).toEqual([]);
  });
});
