// The simplest endpoint: clients reach it, and its kernel answers their pings.
import { type Served, serve } from '@nsm/sdk';
import { type ReadyMadeOptions, readyMadeHooks } from './ready-made.js';

/** Serves; without `routes` clients reach the endpoint's own address only. @throws NsmError what serve() throws */
export async function icmpResponder(options: ReadyMadeOptions): Promise<Served> {
  return await serve({ ...options, ...readyMadeHooks(options, options.routes ?? []) });
}
