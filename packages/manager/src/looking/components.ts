// What those use who look at one connection, on this node and, through its manager, on the other.
import type { SignalComponents } from '../signals/components.js';

export type LookingComponents = Pick<
  SignalComponents,
  'self' | 'connections' | 'forwarder' | 'peers' | 'registry' | 'logger' | 'stopping'
>;
