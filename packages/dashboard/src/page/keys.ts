// Keys that work everywhere: / for the search, Esc out of it and out of details, 1 to 5 for the views.
import { address, go, views } from './address.js';

export function listenToKeys(): void {
  addEventListener('keydown', (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    const isTyping = target instanceof HTMLInputElement;
    if (ctrlKey || metaKey || altKey) return;
    if (key === 'Escape') return leave(isTyping ? target : undefined);
    if (isTyping) return;
    const view = views[Number(key) - 1];
    if (key === '/') {
      event.preventDefault();
      const search = document.getElementById('search');
      if (search instanceof HTMLInputElement) search.select();
    } else if (view) go({ view });
  });
}

/** Details first, then the search, as far as they are there. */
function leave(typing: HTMLInputElement | undefined): void {
  if (typing) {
    typing.blur();
    if (typing.id === 'search') go({ query: '' });
  } else if (address.value.select !== '') {
    go({ select: '' });
    document.querySelector<HTMLElement>('main [tabindex="0"]')?.focus();
  } else go({ query: '' });
}
