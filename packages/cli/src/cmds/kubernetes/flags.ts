// What the command line of `nsm kubernetes …` says.
export interface SignerFlags {
  readonly namespace?: string;
  readonly account: string;
  readonly domain: string;
  readonly logLevel: string;
}
