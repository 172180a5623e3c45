// Plain HTTP for those who ask whether a daemon works and cannot show a certificate, as the probes of a kubelet, and for Prometheus.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { NsmError, splitHostPort, systemCodeOf } from '@nsm/api';
import type { Metrics } from '@nsm/observe';

/** A page, by what is asked for. */
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

interface Page {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}

/** Open connections in all, and of one address: a prober needs one, few probe, and a stranger must not keep probes from being answered. */
const maxConnections = 64;
const maxOfAddress = 8;
/** Milliseconds within which a question must be asked, and after which the answer has been taken or is given up. */
const askWithinMs = 5000;
const takeWithinMs = 15_000;

/**
 * Answers `GET` and `HEAD` until it is disposed of.
 * @param listen HOST:PORT.
 * @throws NsmError `conflict` when another program has the port, `invalid` for an address that is not this host's.
 */
export async function listenHttp(
  listen: string,
  pages: Pages,
): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer(
    { headersTimeout: askWithinMs, requestTimeout: askWithinMs },
    async (request, response) => {
      // Whatever is sent with it is of no interest.
      request.resume();
      const [path = ''] = (request.url ?? '').split('?');
      if (request.method !== 'GET' && request.method !== 'HEAD')
        answer(response, { status: 405, body: 'only GET\n' });
      else answer(response, await pageAt(path, pages));
    },
  );
  server.maxConnections = maxConnections;
  const open = new Set<Socket>();
  server.prependListener('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    const ofAddress = [...open].filter((other) => other.remoteAddress === remoteAddress).length;
    if (ofAddress >= maxOfAddress) return void socket.destroy();
    open.add(socket);
    const late = setTimeout(() => socket.destroy(), takeWithinMs).unref();
    socket.once('close', () => {
      clearTimeout(late);
      open.delete(socket);
    });
  });
  const { host, port } = splitHostPort(listen);
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    const code = systemCodeOf(error);
    const why = code === 'EADDRINUSE' ? 'another program has that port' : NsmError.from(error).message;
    throw new NsmError(
      code === 'EADDRINUSE' ? 'conflict' : 'invalid',
      `cannot listen on ${listen}: ${why}`,
      error,
    );
  }
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
}

function answer(response: ServerResponse, { status, type = 'text/plain; charset=utf-8', body }: Page): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

async function pageAt(path: string, pages: Pages): Promise<Page> {
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (!page) return { status: 404, body: `there are ${Object.keys(pages).join(', ')}\n` };
  try {
    return await page();
  } catch (error) {
    return { status: 500, body: `${NsmError.from(error).message}\n` };
  }
}

/** What a daemon lacks, by name; empty when it can do all its work. */
export type Missing = () => ReadonlyMap<string, string> | Promise<ReadonlyMap<string, string>>;

/**
 * The pages of a daemon's health: `/startz` once it has been ready, `/readyz` while it is, `/healthz` as long as it answers. What is
 * missing is said in the body.
 */
export function healthPages(missing: Missing): Pages {
  let started = false;
  const ready = async (): Promise<Page> => {
    const lacks = [...(await missing())].map(([need, why]) => `${need}: ${why}\n`);
    started ||= lacks.length === 0;
    return lacks.length === 0 ? { status: 200, body: 'ready\n' } : { status: 503, body: lacks.join('') };
  };
  return {
    '/healthz': () => ({ status: 200, body: 'alive\n' }),
    '/readyz': ready,
    '/startz': async () => {
      const page = await ready();
      return started ? { status: 200, body: 'started\n' } : page;
    },
  };
}

/** The page that Prometheus reads. */
export function metricsPage(metrics: Metrics): Pages {
  return { '/metrics': async () => ({ status: 200, ...(await metrics.text()) }) };
}
