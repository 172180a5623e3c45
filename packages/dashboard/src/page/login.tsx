// What is shown to a browser that has no token yet.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { giveToken, goLive } from './live.js';

export function Login(): JSX.Element {
  const wrong = useSignal(false);
  const token = useSignal('');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    wrong.value = !(await giveToken(token.value.trim()));
    if (!wrong.value) await goLive();
  };
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <h1>Network Service Mesh</h1>
        <p>
          Open the link that <code>nsm dashboard</code> has printed, or give the token in it.
        </p>
        <label>
          Token
          <input
            type="password"
            autocomplete="current-password"
            value={token.value}
            onInput={(event) => {
              token.value = event.currentTarget.value;
            }}
          />
        </label>
        <button type="submit" class="primary">
          Look at the mesh
        </button>
        <p role="alert">{wrong.value ? 'That is not the token of this page.' : ''}</p>
      </form>
    </main>
  );
}
