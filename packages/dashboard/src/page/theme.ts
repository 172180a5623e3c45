// Light and dark: as the system says, until it is switched.
import { effect, type Signal, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
const themes: readonly Theme[] = ['system', 'light', 'dark'];
const key = 'nsm-theme';

export const theme: Signal<Theme> = signal(stored());
/** Changes with every colour: what draws itself reads colours anew. */
export const palette: Signal<number> = signal(0);

function stored(): Theme {
  return themes.find((one) => one === localStorage.getItem(key)) ?? 'system';
}

export function nextTheme(): void {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? 'system';
}

export function keepTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    localStorage.setItem(key, theme.value);
    palette.value = palette.peek() + 1;
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    palette.value++;
  });
}

/** A colour of the style sheet, as canvases want it: `rgb(…)`. */
export function colour(name: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
