// Beside every view: the details of what is selected.
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { address, go } from '../address.js';
import { thing } from '../store.js';
import { ConnectionDetails } from './connection-details.js';
import { EndpointDetails } from './endpoint-details.js';
import { NodeDetails } from './node-details.js';

export function Panel(): JSX.Element | null {
  const { select } = address.value;
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    if (place.current) place.current.scrollTop = 0;
  }, [select]);
  if (select === '') return null;
  return (
    <aside class="panel" aria-label="Details" ref={place} tabIndex={0}>
      <button type="button" class="close" aria-label="Close details" onClick={() => go({ select: '' })}>
        ✕
      </button>
      <Selected />
    </aside>
  );
}

function Selected(): JSX.Element {
  const { select } = address.value;
  const selected = thing(select);
  switch (selected?.kind) {
    case 'connection':
      return <ConnectionDetails key={select} connection={selected} />;
    case 'endpoint':
      return <EndpointDetails key={select} endpoint={selected} />;
    case 'node':
      return <NodeDetails key={select} node={selected} />;
    default:
      return <p class="quiet">There is no {select.replace('/', ' ')}, or not any more.</p>;
  }
}
