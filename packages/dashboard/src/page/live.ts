// Hears from the server: one snapshot, then what is new, by server-sent events that go on where they broke.
import { effect } from '@preact/signals';
import type { Patch, Sample, Snapshot } from '../model.js';
import { link, takePatch, takeSample, takeSnapshot } from './store.js';

/** Milliseconds after which a page is told that it is not live any more: until then a break is not worth a word. */
const graceMs = 1500;
/** Milliseconds until a server that did not answer at all is asked again. */
const retryMs = 1000;

/** Milliseconds after which a page that nobody sees hears no more: managers are asked much for it, and a browser has six connections. */
const unseenMs = 300_000;

let events: EventSource | undefined;
let unseen: ReturnType<typeof setTimeout> | undefined;

addEventListener('visibilitychange', () => {
  clearTimeout(unseen);
  if (document.hidden) unseen = setTimeout(() => events?.close(), unseenMs);
  else if (events?.readyState === EventSource.CLOSED) void goLive();
});

/** Begins, and begins again when the server needs a token. */
export async function goLive(): Promise<void> {
  await showToken();
  events?.close();
  for (;;) {
    const answer = await fetch('/api/mesh').catch(() => undefined);
    if (answer?.status === 401) {
      link.value = 'token';
      return;
    }
    if (answer?.ok) {
      const { id, ...snapshot } = (await answer.json()) as Snapshot & { readonly id: string };
      takeSnapshot(snapshot);
      follow(id);
      return;
    }
    link.value = 'lost';
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

/** The browser itself makes the connection anew, and says which event it had last. */
function follow(after: string): void {
  const source = new EventSource(`/api/events?after=${encodeURIComponent(after)}`);
  events = source;
  let late: ReturnType<typeof setTimeout> | undefined;
  source.onopen = () => {
    clearTimeout(late);
    late = undefined;
    link.value = 'live';
  };
  source.onerror = () => {
    // Each attempt to come back fails anew; the time counts from the first.
    late ??= setTimeout(() => {
      link.value = 'lost';
    }, graceMs);
    // A refusal ends it for good: the server wants a token, or is another one.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => void goLive(), retryMs);
  };
  on<Snapshot>(source, 'snapshot', takeSnapshot);
  on<Patch>(source, 'patch', inTurn(takePatch));
  on<Sample>(source, 'sample', takeSample);
}

function on<T>(source: EventSource, name: string, take: (data: T) => void): void {
  source.addEventListener(name, (event) => take(JSON.parse((event as MessageEvent<string>).data) as T));
}

/** Gathers what comes between two frames: a storm of news is drawn once. */
function inTurn(take: (patch: Patch) => void): (patch: Patch) => void {
  let waiting: Patch[] = [];
  return (patch) => {
    waiting.push(patch);
    if (waiting.length > 1) return;
    const draw = (): void => {
      const all = waiting;
      waiting = [];
      for (const one of all) take(one);
    };
    // A page that is not seen has no frames.
    if (document.hidden) draw();
    else requestAnimationFrame(draw);
  };
}

/** The link that the command prints has the token behind `#`, where no server and no log sees it. */
async function showToken(): Promise<void> {
  const [, token] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (token === undefined) return;
  history.replaceState(null, '', location.pathname + location.search);
  await giveToken(decodeURIComponent(token));
}

/** @returns whether it is the right one. */
export async function giveToken(token: string): Promise<boolean> {
  return (await post('/api/session', { token })).ok;
}

/** Asks for a change. */
export function post(path: string, body: object): Promise<Response> {
  return fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-nsm': '1' },
    body: JSON.stringify(body),
  });
}

/** The title tells what is wrong to those who look at other pages meanwhile. */
export function keepTitle(text: () => string): void {
  effect(() => {
    document.title = text();
  });
}
