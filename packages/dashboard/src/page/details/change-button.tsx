// A change of the mesh: asked for twice, and told how it ended.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { post } from '../live.js';
import { allowChanges } from '../store.js';

interface ChangeOptions {
  readonly label: string;
  /** What is asked before it is done. */
  readonly question: string;
  readonly path: string;
  readonly body: object;
}

/** Nothing where the server only looks. */
export function ChangeButton({ label, question, path, body }: ChangeOptions): JSX.Element | null {
  const step = useSignal<'idle' | 'sure' | 'busy'>('idle');
  const said = useSignal('');
  if (!allowChanges.value) return null;
  const change = async (): Promise<void> => {
    step.value = 'busy';
    const answer = await post(path, body).catch(
      (error: unknown) => new Response(String(error), { status: 500 }),
    );
    said.value = answer.ok ? ((await answer.json()) as { done: string }).done : await answer.text();
    step.value = 'idle';
  };
  return (
    <div class="change">
      {step.value === 'sure' ? (
        <>
          <span>{question}</span>
          <button type="button" class="danger" onClick={() => void change()}>
            {label}
          </button>
          <button
            type="button"
            onClick={() => {
              step.value = 'idle';
            }}
          >
            Keep it
          </button>
        </>
      ) : (
        <button
          type="button"
          disabled={step.value === 'busy'}
          onClick={() => {
            step.value = 'sure';
          }}
        >
          {label}…
        </button>
      )}
      <output>{said.value}</output>
    </div>
  );
}
