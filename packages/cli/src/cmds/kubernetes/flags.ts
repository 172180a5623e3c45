// What the command line of `nsm kubernetes …` says.
import type { LogFlags } from '../../daemon/logger.js';

export interface WebhookFlags extends LogFlags {
  readonly listen: string;
  readonly service: string;
  readonly configuration: string;
  readonly image: string;
  readonly domain: string;
  readonly metricsListen?: string;
}

export interface SignerFlags extends LogFlags {
  readonly namespace?: string;
  readonly account: string;
  readonly domain: string;
  readonly metricsListen?: string;
}
