// What the command line of `nsm kubernetes webhook` says.
export interface WebhookFlags {
  readonly listen: string;
  readonly service: string;
  readonly configuration: string;
  readonly image: string;
  readonly domain: string;
  readonly logLevel: string;
}
