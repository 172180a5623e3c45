// All metrics of the webhook.
import type { Counting } from '@nsm/observe';

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

/** @param onReview is told who hears of each review that has ended. */
export const countReviews =
  (onReview: (listener: ReviewListener) => void): Counting =>
  (counted) => {
    const { reviews, reviewTime } = counted.meters(webhookMetrics);
    onReview((result, tookMs) => {
      reviews.inc({ result });
      reviewTime.observe(tookMs / 1000);
    });
  };
