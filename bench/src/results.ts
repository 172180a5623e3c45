// The document that `--json` prints: additions are allowed, changes of meaning need another `version`.
import type { Machine } from './machine.js';
import type { DataplaneFigure } from './measure-dataplane.js';
import type { FootprintFigure } from './measure-footprint.js';
import type { KubernetesFigure } from './measure-kubernetes.js';
import type { MemoryFigure } from './measure-memory.js';
import type { ObserveFigure } from './measure-observe.js';
import type { PolicyFigure } from './measure-policy.js';
import type { RegistryFigure } from './measure-registry.js';
import type { BurstFigure, CpuFigure, FloorParts, RequestFigure } from './measure-requests.js';
import type { ScaleFigure } from './measure-scale.js';
import type { TunnelFigure } from './measure-tunnels.js';

export interface Target {
  readonly name: string;
  readonly limit: number;
  readonly value: number;
  readonly unit: string;
  readonly pass: boolean;
}

export interface Results {
  readonly benchmark: 'network-service-mesh';
  readonly version: 1;
  /** ISO 8601. */
  readonly started: string;
  readonly seconds: number;
  readonly quick: boolean;
  readonly machine: Machine;
  readonly requests: readonly RequestFigure[];
  readonly floorParts?: FloorParts;
  readonly cpu: readonly CpuFigure[];
  readonly bursts: readonly BurstFigure[];
  readonly dataplane: readonly DataplaneFigure[];
  readonly tunnels: readonly TunnelFigure[];
  readonly memory?: MemoryFigure;
  readonly scale: readonly ScaleFigure[];
  readonly footprint: readonly FootprintFigure[];
  readonly policy: readonly PolicyFigure[];
  readonly observe?: ObserveFigure;
  readonly registries: readonly RegistryFigure[];
  readonly kubernetes?: KubernetesFigure;
  readonly targets: readonly Target[];
  /** What was not measured, and why. */
  readonly skipped: readonly string[];
}
