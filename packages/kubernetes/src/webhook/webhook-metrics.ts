// All metrics of the webhook.
import type { Metrics } from '@nsm/observe';

export const webhookMetrics = {
  reviews: {
    type: 'counter',
    name: 'nsm_webhook_reviews_total',
    help: 'Objects that the API server asked about: allowed, completed, refused, or failed where the review could not be read.',
    labels: ['result'],
  },
  reviewTime: {
    type: 'histogram',
    name: 'nsm_webhook_review_duration_seconds',
    help: 'Time from the arrival of a review to its answer.',
    buckets: 'steps',
  },
} as const;

/** Hears of each review that has ended. */
export type ReviewListener = (result: 'allowed' | 'completed' | 'refused' | 'failed', tookMs: number) => void;

export function measureReviews(metrics: Metrics): ReviewListener {
  const { reviews, reviewTime } = metrics.meters(webhookMetrics);
  return (result, tookMs) => {
    reviews.inc({ result });
    reviewTime.observe(tookMs / 1000);
  };
}
