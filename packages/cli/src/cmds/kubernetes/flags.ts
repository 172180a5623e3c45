// What the command line of `nsm kubernetes …` says.
export interface WebhookFlags {
  readonly listen: string;
  readonly service: string;
  readonly configuration: string;
  readonly image: string;
  readonly domain: string;
  readonly logLevel: string;
}

export interface SignerFlags {
  readonly namespace?: string;
  readonly account: string;
  readonly domain: string;
  readonly logLevel: string;
}
