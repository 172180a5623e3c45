// What a netlink request is, and how a table is read.

/** What a request is, for the kernel and for whoever reads the error. */
export interface Request {
  readonly type: number;
  /** NLM_F_CREATE and the like; NLM_F_REQUEST is added. */
  readonly flags?: number | undefined;
  /** `add link` */
  readonly operation: string;
  /** `nsm0` */
  readonly object: string;
}

/** How to read a table. */
export interface DumpOptions {
  /**
   * Return a table that changed while it was read, instead of reading it again: some entries may then be missing or
   * stale. Default false: it is read up to 16 times, then the dump fails with EINTR.
   */
  readonly acceptInterrupted?: boolean | undefined;
}
