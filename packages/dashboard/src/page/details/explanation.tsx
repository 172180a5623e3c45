// Why an endpoint is chosen, and why others are not: what the client's manager says of each.

import type { ExplainedView } from '@nsm/views/explanation-view';
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Explanation as Answer } from '../../model.js';

interface Question {
  readonly node: string;
  readonly service: string;
  readonly interfaceKind: string;
  /** Network namespace of the client on that node; '' for none in particular. */
  readonly from: string;
  /** NAMESPACE/NAME of the endpoint that is used, or ''. */
  readonly used: string;
}

export function Explanation({ node, service, interfaceKind, from, used }: Question): JSX.Element {
  const answer = useSignal<Answer | string | undefined>(undefined);
  useEffect(() => {
    answer.value = undefined;
    const query = new URLSearchParams({ node, service, interface: interfaceKind, from });
    const late = { is: false };
    void fetch(`/api/explain?${query}`)
      .then(async (response) => (response.ok ? ((await response.json()) as Answer) : await response.text()))
      .catch((error: unknown) => String(error))
      .then((said) => {
        if (!late.is) answer.value = said;
      });
    return () => {
      late.is = true;
    };
  }, [node, service, interfaceKind, from]);

  const said = answer.value;
  if (said === undefined) return <p class="quiet">Asking {node}…</p>;
  if (typeof said === 'string') return <p class="quiet">{said}</p>;
  const place = ({ rank }: ExplainedView): number => rank || Number.POSITIVE_INFINITY;
  return (
    <>
      {said.problems.map(({ code, what }) => (
        <p class="reason" key={what}>
          {what} <span class="quiet">({code})</span>
        </p>
      ))}
      <ol class="candidates">
        {said.candidates
          .toSorted((a, b) => place(a) - place(b))
          .map((one) => (
            <Weighed key={`${one.namespace}/${one.name}`} candidate={one} used={used} />
          ))}
      </ol>
    </>
  );
}

function Weighed({ candidate, used }: { candidate: ExplainedView; used: string }): JSX.Element {
  const { name, namespace, manager, rank, reason, rule, labels, lost, checks } = candidate;
  return (
    <li class={rank === 0 ? 'dropped' : ''}>
      <span class="rank">{rank > 0 ? rank : '×'}</span>
      <div>
        <b>{name}</b> <span class="quiet">on {manager}</span>{' '}
        {`${namespace}/${name}` === used && <span class="label">used now</span>}
        {Object.entries(labels).map(([key, value]) => (
          <span class="label" key={key}>
            {key}={value}
          </span>
        ))}
        <p>
          {reason}
          {lost && ` · after the first: ${lost}`}
          {rule && <span class="quiet"> (rule {rule})</span>}
        </p>
        {rank === 0 && (
          <ul class="checks">
            {checks.map(({ about, passed, text }) => (
              <li key={about} class={passed ? '' : 'failed'}>
                {passed ? '√' : '×'} {about} <span class="quiet">{text}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}
