// Why an endpoint is chosen, and why others are not: what the client's manager says of each.
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Candidate } from '../../model.js';

interface Question {
  readonly node: string;
  readonly service: string;
  readonly interfaceKind: string;
  /** NAMESPACE/NAME of the endpoint that is used. */
  readonly used: string;
}

export function Explanation({ node, service, interfaceKind, used }: Question): JSX.Element {
  const answer = useSignal<readonly Candidate[] | string | undefined>(undefined);
  useEffect(() => {
    answer.value = undefined;
    const query = new URLSearchParams({ node, service, interface: interfaceKind });
    const late = { is: false };
    void fetch(`/api/explain?${query}`)
      .then(async (response) =>
        response.ok ? ((await response.json()) as Candidate[]) : await response.text(),
      )
      .catch((error: unknown) => String(error))
      .then((said) => {
        if (!late.is) answer.value = said;
      });
    return () => {
      late.is = true;
    };
  }, [node, service, interfaceKind]);

  const said = answer.value;
  if (said === undefined) return <p class="quiet">Asking {node}…</p>;
  if (typeof said === 'string') return <p class="quiet">{said}</p>;
  if (said.length === 0) return <p class="quiet">No endpoint provides {service}.</p>;
  const ranked = said.toSorted(
    (a, b) => (a.rank || Number.POSITIVE_INFINITY) - (b.rank || Number.POSITIVE_INFINITY),
  );
  return (
    <ol class="candidates">
      {ranked.map(({ name, namespace, manager, rank, reason, rule, labels }) => (
        <li key={`${namespace}/${name}`} class={rank === 0 ? 'dropped' : ''}>
          <span class="rank">{rank > 0 ? rank : '×'}</span>
          <div>
            <b>{name}</b> <span class="quiet">on {manager}</span>
            {`${namespace}/${name}` === used && <span class="label">used now</span>}
            {Object.entries(labels).map(([key, value]) => (
              <span class="label" key={key}>
                {key}={value}
              </span>
            ))}
            <p>
              {reason}
              {rule && <span class="quiet"> (rule {rule})</span>}
            </p>
          </div>
        </li>
      ))}
    </ol>
  );
}
