// The graph, with what there is to do about its size; a list of the same says it to those who do not see it.
import { effect, useComputed } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { address, go } from '../address.js';
import { finds, unknownKeys } from '../filter.js';
import { connections, endpoints, nodes } from '../store.js';
import { palette } from '../theme.js';
import { Canvas } from './canvas.js';
import { type Edge, type Graph, graphOf } from './graph.js';

function shownGraph(): Graph {
  const { query } = address.value;
  const found = connections.value.filter(finds(query));
  if (query === '') return graphOf({ nodes: nodes.value, endpoints: endpoints.value, connections: found });
  // What is searched for, and what it is connected to.
  const ends = new Set(found.map(({ endpoint }) => `${endpoint.namespace}/${endpoint.name}`));
  return graphOf({
    nodes: nodes.value.filter(finds(query)),
    endpoints: endpoints.value.filter((one) => finds(query)(one) || ends.has(`${one.namespace}/${one.name}`)),
    connections: found,
  });
}

export function Topology(): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const canvas = useRef<Canvas>(undefined);
  const graph = useComputed(shownGraph);

  useEffect(() => {
    if (!place.current) return;
    const made = new Canvas(place.current, ({ select, query }) => {
      if (select !== '' || query === '') go({ select });
      else go({ view: 'connections', query, select: '' });
    });
    canvas.current = made;
    const ends = [
      effect(() => made.show(graph.value)),
      effect(() => {
        graph.value;
        made.choose(address.value.select);
      }),
      effect(() => {
        palette.value;
        made.repaint();
      }),
    ];
    return () => {
      for (const end of ends) end();
      made.close();
    };
  }, []);

  const { boxes, chips, edges, isGathered } = graph.value;
  return (
    <section class="topology" aria-label="Topology">
      <div
        class="graph"
        ref={place}
        role="application"
        aria-label={`Graph of ${boxes.length} nodes, ${chips.length} pods and ${edges.length} lines between them: arrow keys walk from connection to connection; the view Connections has all of it as a table`}
        tabIndex={0}
        onKeyDown={(event) => walk(event, graph.value)}
      />
      <ul class="unseen" aria-label="Connections of the graph">
        {edges.map((edge) => (
          <li key={edge.id}>{wordsOf(edge, graph.value)}</li>
        ))}
      </ul>
      <p class="legend">
        <span class="client">client</span>
        <span class="endpoint">endpoint</span>
        <span class="tunnels">tunnels</span>
        <span class="dashed">in trouble</span>
      </p>
      {isGathered && (
        <p class="note">Clients of one service are drawn as one: search for fewer, or look at the table.</p>
      )}
      {chips.length === 0 && (
        <p class="note">
          Nothing here{address.value.query ? ' matches the search' : ' yet'}.
          {unknownKeys(address.value.query)}
        </p>
      )}
      <div class="zoom">
        <button type="button" aria-label="Closer" onClick={() => canvas.current?.zoom(1.3)}>
          +
        </button>
        <button type="button" aria-label="Further away" onClick={() => canvas.current?.zoom(1 / 1.3)}>
          −
        </button>
        <button type="button" class="wide" onClick={() => canvas.current?.fit()}>
          Fit
        </button>
      </div>
    </section>
  );
}

function wordsOf({ from, to, state, count }: Edge, { chips }: Graph): string {
  const title = (id: string): string => chips.find((chip) => chip.id === id)?.title ?? '';
  return `${title(from)} → ${title(to)}: ${count > 1 ? `${count} connections, ` : ''}${state.toLowerCase()}`;
}

/** From connection to connection, in the order of the table. */
function walk(event: KeyboardEvent, { edges }: Graph): void {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const keys = edges.map(({ select }) => select).filter((select) => select !== '');
  if (step === undefined || keys.length === 0) return;
  event.preventDefault();
  const at = keys.indexOf(address.value.select);
  const next = at < 0 ? (step > 0 ? 0 : keys.length - 1) : (at + step + keys.length) % keys.length;
  go({ select: keys[next] ?? '' }, true);
}
