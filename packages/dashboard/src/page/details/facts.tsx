// Names with their values, as every panel has them.
import type { ComponentChildren, JSX } from 'preact';

/** Facts without a value are left out. */
export function Facts({
  facts,
}: {
  facts: readonly (readonly [name: string, value: ComponentChildren])[];
}): JSX.Element {
  const there = facts.filter(
    ([, value]) => value !== '' && value !== 0 && value !== undefined && value !== null,
  );
  return (
    <dl class="facts">
      {there.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A command to copy. */
export function Command({ text }: { text: string }): JSX.Element {
  return (
    <button
      type="button"
      class="command"
      title="Copy"
      onClick={() => void navigator.clipboard?.writeText(text).catch(() => undefined)}
    >
      <code>{text}</code>
      <span aria-hidden="true">⧉</span>
    </button>
  );
}
