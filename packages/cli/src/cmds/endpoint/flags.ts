// What the command line of `nsm endpoint` says.
import type { InterfaceOptions } from '@nsm/sdk';

export const endpointKinds = ['icmp-responder', 'gateway', 'bridge'] as const;

export type EndpointKind = (typeof endpointKinds)[number];

export interface EndpointFlags {
  readonly service: readonly string[];
  readonly name: string;
  readonly namespace: string;
  readonly netns?: string;
  readonly label: readonly (readonly [string, string])[];
  readonly interface: readonly InterfaceOptions[];
  readonly prefix: readonly string[];
  readonly route: readonly string[];
  readonly address: readonly string[];
  readonly outside?: string;
  readonly device?: string;
  readonly mtu?: number;
  readonly socket?: string;
  readonly runDir: string;
  readonly wait: number;
  readonly otlpEndpoint?: string;
  readonly json?: boolean;
}
