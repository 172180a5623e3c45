// What the command lines of `nsm pki` say.
interface PkiFlags {
  readonly dir: string;
  readonly json?: boolean;
}

export interface InitFlags extends PkiFlags {
  readonly domain: string;
}

export interface IssueFlags extends PkiFlags {
  readonly kind: 'manager' | 'registry';
  /** The name is an operator's. */
  readonly operator?: boolean;
  readonly days: number;
  readonly out?: string;
}

export interface JoinTokenFlags extends PkiFlags {
  /** Milliseconds. */
  readonly life: number;
}
