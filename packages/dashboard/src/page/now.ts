// The time that ages are told by.
import { type Signal, signal } from '@preact/signals';

export const now: Signal<number> = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 5000);
