// What is shown, in the address of the page: every view can be shared, and the browser's buttons go back and forth.
import { type ReadonlySignal, type Signal, signal } from '@preact/signals';

export const views = ['topology', 'connections', 'endpoints', 'nodes', 'changes'] as const;
export type View = (typeof views)[number];

export interface Address {
  readonly view: View;
  /** What is searched for. */
  readonly query: string;
  /** Key of the thing whose details are shown; '' for none. */
  readonly select: string;
}

const current: Signal<Address> = signal(read(location));
export const address: ReadonlySignal<Address> = current;

export function read({ pathname, search }: Pick<Location, 'pathname' | 'search'>): Address {
  const parameters = new URLSearchParams(search);
  const [, name = '', id = ''] = /^\/([^/]*)\/?(.*)$/.exec(pathname) ?? [];
  const view = views.find((view) => view === name) ?? 'topology';
  // People write /connections/ID, too.
  const named = id === '' || !view.endsWith('s') ? '' : `${view.slice(0, -1)}/${decoded(id)}`;
  return { view, query: parameters.get('q') ?? '', select: parameters.get('select') ?? named };
}

/** As it stands where it is no encoding of anything. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function write({ view, query, select }: Address): string {
  const parameters = [
    ...(query ? [`q=${encodeURIComponent(query)}`] : []),
    ...(select ? [`select=${encodeURIComponent(select).replaceAll('%2F', '/').replaceAll('%3A', ':')}`] : []),
  ];
  return `/${view === 'topology' ? '' : view}${parameters.length > 0 ? `?${parameters.join('&')}` : ''}`;
}

/** @param typing: many of it in a row are one step of the browser's history. */
export function go(to: Partial<Address>, typing = false): void {
  const next = { ...current.value, ...to };
  const path = write(next);
  if (path === write(current.value)) return;
  current.value = next;
  if (typing) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
}

/** A link of the page: opened here, or in a tab of its own, as the browser is told to. */
export function linkTo(to: Partial<Address>): {
  readonly href: string;
  readonly onClick: (event: MouseEvent) => void;
} {
  return {
    href: write({ ...current.value, ...to }),
    onClick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      go(to);
    },
  };
}

addEventListener('popstate', () => {
  current.value = read(location);
});
