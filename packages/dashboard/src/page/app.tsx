// The page around its views: search, views, what state the mesh is in, and details beside.
import type { JSX } from 'preact';
import { connectionStates } from '../model.js';
import { address, go, linkTo, type View, views } from './address.js';
import { Changes } from './changes.js';
import { Panel } from './details/panel.js';
import { toggled } from './filter.js';
import { Login } from './login.js';
import { StateMark } from './state-mark.js';
import { changes, connections, endpoints, link, nodes, stateCounts, troubles } from './store.js';
import { Connections } from './tables/connections.js';
import { Endpoints } from './tables/endpoints.js';
import { Nodes } from './tables/nodes.js';
import { nextTheme, theme } from './theme.js';
import { Topology } from './topology/topology.js';

const bodies: Readonly<Record<View, () => JSX.Element>> = {
  topology: Topology,
  connections: Connections,
  endpoints: Endpoints,
  nodes: Nodes,
  changes: Changes,
};

const counts: Readonly<Record<View, () => number | undefined>> = {
  topology: () => undefined,
  connections: () => connections.value.length,
  endpoints: () => endpoints.value.length,
  nodes: () => nodes.value.length,
  changes: () => changes.value.length,
};

export function App(): JSX.Element {
  if (link.value === 'token') return <Login />;
  const { view, select } = address.value;
  const Body = bodies[view];
  return (
    <>
      <a class="skip" href="#main">
        To the mesh
      </a>
      <header class="top">
        <h1>
          <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
            <path d="M5 5h5v5H5zM14 14h5v5h-5zM14 5h5v5h-5zM5 14h5v5H5zM10 7h4v1h-4zM10 16h4v1h-4zM7 10h1v4H7zM16 10h1v4h-1z" />
          </svg>
          <span>Network Service Mesh</span>
        </h1>
        <input
          id="search"
          type="search"
          aria-label="Search"
          aria-keyshortcuts="/"
          placeholder="Search  ( / )"
          title="Words, or state:failed, service:NAME, node:NAME, endpoint:NAME"
          value={address.value.query}
          onInput={(event) => go({ query: event.currentTarget.value }, true)}
        />
        <Liveness />
        <button type="button" class="plain" onClick={nextTheme}>
          <span class="unseen">Colours: </span>
          {{ system: 'Auto', light: 'Light', dark: 'Dark' }[theme.value]}
        </button>
      </header>
      <div class="bar">
        <nav aria-label="Views">
          {views.map((one) => (
            <a key={one} {...linkTo({ view: one })} aria-current={one === view ? 'page' : undefined}>
              {one[0]?.toUpperCase() + one.slice(1)}
              {counts[one]() === undefined ? '' : <span class="badge">{counts[one]()}</span>}
            </a>
          ))}
        </nav>
        <States />
      </div>
      {troubles.value.length > 0 && (
        <ul class="banner" role="alert">
          {troubles.value.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      <div class={select === '' ? 'body' : 'body with-panel'}>
        <main id="main" tabIndex={-1}>
          <Body />
        </main>
        <Panel />
      </div>
    </>
  );
}

/** How many connections are in which state; each is a switch of the search. */
function States(): JSX.Element {
  const { query } = address.value;
  const there = connectionStates.filter((state) => stateCounts.value.has(state));
  return (
    <fieldset class="states" aria-label="Connections by state">
      {there.map((state) => {
        const word = `state:${state.toLowerCase()}`;
        return (
          <button
            key={state}
            type="button"
            aria-pressed={query.split(' ').includes(word)}
            onClick={() => go({ query: toggled(query, word) })}
          >
            <b>{stateCounts.value.get(state)}</b>
            <StateMark state={state} />
          </button>
        );
      })}
    </fieldset>
  );
}

function Liveness(): JSX.Element {
  const words = {
    connecting: 'Connecting…',
    live: 'Live',
    lost: 'Not live: the server does not answer',
    token: '',
  };
  return (
    <output class={`liveness ${link.value}`} aria-live="polite">
      {words[link.value]}
    </output>
  );
}
