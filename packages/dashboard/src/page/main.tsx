// Where the page begins.
import { render } from 'preact';
import { address } from './address.js';
import { App } from './app.js';
import { listenToKeys } from './keys.js';
import { goLive, keepTitle } from './live.js';
import { connections, stateCounts } from './store.js';
import { keepTheme } from './theme.js';

keepTheme();
listenToKeys();
keepTitle(() => {
  const { view } = address.value;
  const bad = (stateCounts.value.get('FAILED') ?? 0) + (stateCounts.value.get('STALE') ?? 0);
  const sum =
    bad > 0 ? `${bad} of ${connections.value.length} broken` : `${connections.value.length} connections`;
  return `${sum} · ${view} · Network Service Mesh`;
});
const place = document.getElementById('page');
if (place) render(<App />, place);
void goLive();
