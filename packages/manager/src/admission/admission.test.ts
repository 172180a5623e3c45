// What is refused before anything is touched, and that the refusal says what to do.
import { create } from '@bufbuild/protobuf';
import {
  connect,
  InterfacePreference,
  InterfaceType,
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
} from '@nsm/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admitConnectionRequest, admitEndpoint } from './admission.js';

const kernel = { type: InterfaceType.KERNEL_INTERFACE };
const request = (more: object) =>
  create(connect.ConnectionRequestSchema, {
    requestId: 'pod-1',
    networkServiceName: 'svc',
    linuxNamespace: 'x',
    interface: [kernel],
    ...more,
  });
const endpoint = (more: object): NetworkServiceEndpoint =>
  create(NetworkServiceEndpointSchema, {
    networkServiceName: 'svc',
    nseProviderName: 'e',
    socketLocation: '/run/e.sock',
    interface: [kernel],
    ...more,
  });

describe('admitConnectionRequest', () => {
  it('takes what is well-formed', () => {
    expect(() => admitConnectionRequest(request({}))).not.toThrow();
    expect(() =>
      admitConnectionRequest(
        request({
          requestId: 'd5a3f1c2-7b1e-4f59-9a43-0c7e1b2f3a4d',
          labels: { selector: { 'app.io/tier': 'gold', half: '.5', below: '-5' } },
        }),
      ),
    ).not.toThrow();
  });
  it.each([
    [{ requestId: '' }, /request_id is empty: send the Pod UID/],
    [{ requestId: 'x'.repeat(254) }, /254 characters/],
    [{ requestId: 'a\nb' }, /"a\\nb"/],
    [{ requestId: 'a/b' }, /request_id/],
    [{ networkServiceName: '' }, /network_service_name is empty/],
    [{ networkServiceName: 'two words' }, /network_service_name "two words"/],
    [{ networkServiceName: '../etc' }, /network_service_name/],
    [{ linuxNamespace: '' }, /linux_namespace is empty/],
    [{ interface: [] }, /list at least one interface/],
    [{ interface: Array.from({ length: 65 }, () => kernel) }, /65 entries; at most 64/],
    [{ interface: [{ type: 17 }] }, /interface type 17 is unknown; known: DEFAULT_INTERFACE/],
    [{ interface: [{ ...kernel, preference: 9 }] }, /preference 9 is unknown/],
    [
      {
        interface: [
          { ...kernel, preference: InterfacePreference.FIRST },
          { type: 3, preference: InterfacePreference.FIRST },
        ],
      },
      /two interfaces have preference 1/,
    ],
    [{ labels: { selector: { 'bad key': 'x' } } }, /label key "bad key"/],
    [{ labels: { selector: { key: 'x'.repeat(64) } } }, /label value/],
  ])('refuses %j', (more, message) => {
    expect(() => admitConnectionRequest(request(more))).toThrowError(message);
  });
  it('refuses or takes any text without breaking, and never takes a control character', {
    timeout: 30_000,
  }, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        try {
          admitConnectionRequest(request({ requestId: text }));
          expect(text).toMatch(/^[A-Za-z0-9._:-]{1,253}$/);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid' });
        }
      }),
    );
  });
});

describe('admitEndpoint', () => {
  it.each([
    [
      {
        interface: [
          {
            type: InterfaceType.MEM_INTERFACE,
            parameters: { interfaceParameters: { ring_size: '5' } },
          },
        ],
      },
      /ring_size "5" must be a power of two from 64/,
    ],
    [{}, undefined],
    [{ networkServiceHost: 'node-a' }, undefined],
    [{ networkServiceHost: 'node-b' }, /this manager is "node-a"/],
    [{ socketLocation: 'relative' }, /absolute path/],
    [{ socketLocation: `/${'x'.repeat(120)}` }, /107 bytes/],
    [{ prefixes: ['10.0.0.0/99'] }, /not an IP prefix/],
    [{ interface: [] }, /interface is empty/],
    [{ nseProviderName: '' }, /nse_provider_name is empty/],
  ])('%j', (more, message) => {
    const admit = (): void => admitEndpoint(endpoint(more), 'node-a');
    if (message) expect(admit).toThrowError(message);
    else expect(admit).not.toThrow();
  });
});
