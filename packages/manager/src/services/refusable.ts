// Where a refusal, which is a reply, parts from a broken call, which is a gRPC error.
import { NsmError } from '@nsm/api';

/** Runs what answers a call: an expected failure becomes `accepted = false` with its `admission_error`. */
export async function refusable<T extends object>(
  work: () => Promise<T | undefined>,
): Promise<T | { accepted: boolean; admissionError: string }> {
  try {
    return (await work()) ?? { accepted: true, admissionError: '' };
  } catch (thrown) {
    const error = NsmError.from(thrown);
    if (error.kind === 'internal' || error.kind === 'cancelled') throw error;
    return { accepted: false, admissionError: error.toAdmissionError() };
  }
}
