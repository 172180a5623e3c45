// A state as a shape, a colour and a word: neither colour alone nor shape alone tells it.
import type { JSX } from 'preact';
import type { ConnectionState, MeshNode } from '../model.js';

type Shown = ConnectionState | MeshNode['state'] | 'READY' | 'UNAVAILABLE';

/** In a square of 12. */
const shapes: Readonly<Record<Shown, string>> = {
  SYNCED: 'M6 1.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 0 0 0-9.6z',
  ALIVE: 'M6 1.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 0 0 0-9.6z',
  READY: 'M6 1.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 0 0 0-9.6z',
  HEALING: 'M6 .6L11.4 6L6 11.4L.6 6z',
  DRAINED: 'M6 .6L11.4 6L6 11.4L.6 6z',
  CONNECTING: 'M6 1a5 5 0 1 0 5 5h-1.8a3.2 3.2 0 1 1-3.2-3.2z',
  STALE: 'M6 .8L11.6 11H.4z',
  UNAVAILABLE: 'M6 .8L11.6 11H.4z',
  FAILED: 'M2.6 1L6 4.4L9.4 1L11 2.6L7.6 6L11 9.4L9.4 11L6 7.6L2.6 11L1 9.4L4.4 6L1 2.6z',
  GONE: 'M2.6 1L6 4.4L9.4 1L11 2.6L7.6 6L11 9.4L9.4 11L6 7.6L2.6 11L1 9.4L4.4 6L1 2.6z',
  CLOSING: 'M1 4.8h10v2.4H1z',
  STOPPED: 'M1 4.8h10v2.4H1z',
  UNKNOWN: 'M1 2.5h2v7H1zM5 2.5h2v7H5zM9 2.5h2v7H9z',
};

export function StateMark({ state, bare = false }: { state: Shown; bare?: boolean }): JSX.Element {
  const word = state.toLowerCase();
  return (
    <span class={`state state-${word}`} title={bare ? word : undefined}>
      <svg viewBox="0 0 12 12" width="11" height="11" aria-hidden="true">
        <path d={shapes[state]} />
      </svg>
      <span class={bare ? 'unseen' : ''}>{word}</span>
    </span>
  );
}
