// All metrics of the signer.
export const signerMetrics = {
  requests: {
    type: 'counter',
    name: 'nsm_signer_requests_total',
    help: 'Requests for certificates that were answered: signed, denied, or failed where an approved one cannot be signed.',
    labels: ['result'],
  },
  leading: {
    type: 'gauge',
    name: 'nsm_signer_leading',
    help: 'Whether this signer is the one of several that signs.',
  },
} as const;
