// Who may ask the server what: decided before a request is looked at any further.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

export interface AccessRules {
  /** Names, beside localhost and addresses, under which the page may be asked for. */
  readonly names: readonly string[];
  /** Without it whoever reaches the port may look. */
  readonly token?: string;
  readonly allowChanges: boolean;
  /** Of the cookie that carries the token: cookies know no ports. */
  readonly cookie: string;
}

export interface Asked {
  readonly method: string;
  /** Of the URL. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** It came over TLS with the certificate of an operator. */
  readonly isOperator: boolean;
}

export interface Refusal {
  readonly status: number;
  readonly text: string;
}

/** Undefined: it is served. */
export function refusalOf(asked: Asked, rules: AccessRules): Refusal | undefined {
  const { method, path, headers } = asked;
  if (!isOwnHost(headers.host, rules.names))
    return { status: 421, text: 'this is not the host that was asked for: use an address, or --host-name' };
  const isApi = path.startsWith('/api/');
  // Browsers say so of whatever another page has them ask for, be it only to take up places.
  if (isApi && isElsewhere(headers))
    return { status: 403, text: 'this is for the page itself, and for programs' };
  if (method === 'GET' || method === 'HEAD') return isApi && !mayLook(asked, rules) ? noToken : undefined;
  if (method !== 'POST' || !isApi) return { status: 405, text: 'only GET' };
  const why = whyForeign(headers);
  if (why !== '') return { status: 403, text: why };
  if (path === '/api/session') return undefined;
  if (!rules.allowChanges)
    return { status: 403, text: 'this page only looks: nsm dashboard --allow-changes makes changes' };
  return mayLook(asked, rules) ? undefined : noToken;
}

const noToken: Refusal = {
  status: 401,
  text: 'a token is needed: open the link that nsm dashboard has printed',
};

function mayLook({ headers, isOperator }: Asked, { token, cookie }: AccessRules): boolean {
  if (token === undefined || isOperator) return true;
  const shown = [/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1], cookieOf(headers.cookie, cookie)];
  return shown.some((text) => text !== undefined && isSame(text, token));
}

/** Takes as long whatever is wrong. */
export function isSame(text: string, token: string): boolean {
  const hash = (word: string): Buffer => createHash('sha256').update(word).digest();
  return timingSafeEqual(hash(text), hash(token));
}

function cookieOf(header = '', name: string): string | undefined {
  const found = header.split('; ').find((one) => one.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/**
 * A page elsewhere can give its own name the address of this host (DNS rebinding), and its scripts may then ask here; they cannot
 * do so by an address.
 */
function isOwnHost(host: string | undefined, names: readonly string[]): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (name === 'localhost' || isIP(name) === 4 || /^\[[0-9a-f:.]+\]$/.test(name)) return true;
  return names.some((one) => one.toLowerCase() === name);
}

function isElsewhere({ 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  return site === 'cross-site' || site === 'same-site';
}

/** '' of a request by the page itself, or by a program: a form of another page has no header of its own choice. */
function whyForeign({ host, origin, 'sec-fetch-site': site, 'x-nsm': mark }: IncomingHttpHeaders): string {
  if (mark !== '1') return 'a change needs the header x-nsm: 1';
  if (site !== undefined && site !== 'same-origin') return 'a change must come from this page';
  if (origin !== undefined && !URL.canParse(origin)) return 'a change must come from this page';
  if (origin !== undefined && new URL(origin).host !== host) return 'a change must come from this page';
  return '';
}
