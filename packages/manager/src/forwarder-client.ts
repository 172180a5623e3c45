// The forwarder of this node as the manager calls it: a thread of this process, or a process of its own.
import type { forwarder, ServiceClient } from '@nsm/api';

export type Forwarder = ServiceClient<typeof forwarder.Forwarder>;
