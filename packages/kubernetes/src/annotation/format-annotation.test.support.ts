// Writes what an annotation asks for in the one way that needs no more said: what is read from it is what was written.
import type { Attachment } from './attachment.js';

export function formatAnnotation(attachments: readonly Attachment[]): string {
  return attachments.map(formatEntry).join(', ');
}

function formatEntry({ type, service, interfaceName, labels, mode, parameters }: Attachment): string {
  const query = pairs({ ...labels, ...(mode === 'node' ? {} : { mode }) });
  const fragment = pairs(parameters);
  return [
    `${type}://${service}`,
    interfaceName === undefined ? '' : `/${interfaceName}`,
    query === '' ? '' : `?${query}`,
    fragment === '' ? '' : `#${fragment}`,
  ].join('');
}

function pairs(entries: Readonly<Record<string, string>>): string {
  return Object.entries(entries)
    .map((entry) => entry.map(encodeURIComponent).join('='))
    .join('&');
}
