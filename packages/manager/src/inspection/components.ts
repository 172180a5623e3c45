// What the inspection of a connection uses, on this node and, by the other manager, on the other node.
import type { SignalComponents } from '../signals/components.js';

export type InspectionComponents = Pick<
  SignalComponents,
  'self' | 'connections' | 'forwarder' | 'peers' | 'registry' | 'logger' | 'stopping'
>;
