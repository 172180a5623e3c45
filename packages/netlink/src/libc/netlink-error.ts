// The error for what the kernel refused: number, name, operation, object, and the kernel's own words.
import { errnoName } from './errno.js';
import { errorText } from './libc.js';

/** What the kernel adds to an error number (NETLINK_EXT_ACK). */
export interface KernelDetail {
  /** The kernel's own words. */
  readonly text?: string | undefined;
  /** Byte offset in the request of the attribute at fault. */
  readonly offset?: number | undefined;
  /** Type number of an attribute that the request lacks. */
  readonly missing?: number | undefined;
}

/** A refused request, such as `EEXIST: add link nsm0 in netns 4026532208: File exists`. */
export class NetlinkError extends Error {
  override readonly name: string = 'NetlinkError';
  /** Positive error number, 17 for EEXIST. */
  readonly errno: number;
  /** Its name, `EEXIST`. */
  readonly code: string;
  /** What was tried: `add link`. */
  readonly operation: string;
  /** On what: `nsm0 in netns 4026532208`. */
  readonly object: string;
  /** The kernel's own explanation, when it gave one. */
  readonly kernelText: string | undefined;
  /** Byte offset of the attribute at fault in the request, when the kernel gave it. */
  readonly attributeOffset: number | undefined;
  /** Type number of a missing attribute, when the kernel gave it. */
  readonly missingAttribute: number | undefined;

  constructor(errno: number, operation: string, object: string, detail: KernelDetail = {}) {
    const code = errnoName(errno);
    const words = errorText(errno);
    const text =
      detail.text === undefined || detail.text === '' ? words : `${detail.text} (${words.toLowerCase()})`;
    super(`${code}: ${operation}${object === '' ? '' : ` ${object}`}: ${text}`);
    this.errno = errno;
    this.code = code;
    this.operation = operation;
    this.object = object;
    this.kernelText = detail.text;
    this.attributeOffset = detail.offset;
    this.missingAttribute = detail.missing;
  }
}

/** Passes a system call's result on, or throws what it says. @throws NetlinkError */
export const check = (result: number, operation: string, object: string): number => {
  if (result < 0) throw new NetlinkError(-result, operation, object);
  return result;
};

/** One failed request of a batch. */
export interface BatchFailure {
  /** Position of the request in the batch, from 0. */
  readonly index: number;
  readonly error: NetlinkError;
}

/**
 * A batch of which some requests were refused. The error is itself the first refusal; the kernel has carried out every
 * request that is not among {@link failures}, also those after the first failure.
 */
export class NetlinkBatchError extends NetlinkError {
  override readonly name: string = 'NetlinkBatchError';
  readonly failures: readonly BatchFailure[];
  /** Position of the first failed request, from 0. */
  readonly index: number;

  constructor(first: BatchFailure, failures: readonly BatchFailure[]) {
    const { error } = first;
    super(error.errno, error.operation, error.object, {
      text: error.kernelText,
      offset: error.attributeOffset,
      missing: error.missingAttribute,
    });
    this.cause = error;
    this.index = first.index;
    this.failures = failures;
  }
}
