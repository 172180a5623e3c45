// What is needed of prom-client, in a file that is loaded when a daemon is to have metrics.
export { Counter, Gauge, Histogram, Registry } from 'prom-client';
