// What is wanted of a connection against what the kernels have, looked at again and again while it is shown.
import { type ReadonlySignal, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Compared } from '../../model.js';

/** Milliseconds between two looks. */
const everyMs = 5000;

/** @returns of each node what it has; empty until it is known. */
export function useCompared(id: string): ReadonlySignal<readonly Compared[]> {
  const compared = useSignal<readonly Compared[]>([]);
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      const answer = await fetch(`/api/compare?id=${encodeURIComponent(id)}`).catch(() => undefined);
      if (isOver) return;
      if (answer?.ok) compared.value = (await answer.json()) as readonly Compared[];
      timer = setTimeout(() => void look(), everyMs);
    };
    compared.value = [];
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [id]);
  return compared;
}

export function Wanted({ compared }: { compared: readonly Compared[] }): JSX.Element {
  return (
    <ul class="checks">
      {compared.map(({ node, differences, error }) => (
        <li key={node} class={differences.length > 0 || error ? 'failed' : ''}>
          {differences.length === 0 && error === '' ? '√' : '×'} {node}{' '}
          <span class="quiet">
            {error || (differences.length === 0 ? 'has what is wanted' : `lacks ${differences.join(', ')}`)}
          </span>
        </li>
      ))}
      {compared.length === 0 && <li class="quiet">Looking…</li>}
    </ul>
  );
}
