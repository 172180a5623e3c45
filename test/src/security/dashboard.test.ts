// Who may look at the page, who may change something by it, and what a page elsewhere can do with a browser that may: nothing.
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Served, serveMesh } from '../dashboard/served.js';
import { variedMesh } from '../dashboard/told-meshes.js';

const token = 'a-token-of-the-tests';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

describe('the page of a mesh', () => {
  let open: Served;
  let closed: Served;
  const fake = variedMesh();

  beforeAll(async () => {
    [open, closed] = await Promise.all([
      serveMesh(variedMesh(), { names: ['ops.example'] }),
      serveMesh(fake, { token, allowChanges: true }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([open, closed].map((served) => served?.[Symbol.asyncDispose]()));
  });

  /** As fetch, which lets nobody choose a host. */
  const ask = (
    { server }: Served,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
    method: string = body === undefined ? 'GET' : 'POST',
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const to = { host: '127.0.0.1', port: server.port, path, method, headers };
      const asked = request(to, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
        );
      });
      asked.on('error', reject).end(body);
    });
  const bearer = { authorization: `Bearer ${token}` };
  const change = JSON.stringify({ id: 'node-a:00000002' });

  it.each([
    'evil.example',
    'evil.example:7070',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '[::1].evil',
  ])('is not shown under another name: %j, as a page elsewhere would have by DNS rebinding', async (host) => {
    for (const path of ['/', '/api/mesh', '/api/events'])
      expect(await ask(open, path, { host })).toMatchObject({ status: 421 });
  });

  it.each(['127.0.0.1:1', 'localhost', '[::1]:7070', 'OPS.example:7070'])('is shown as %s', async (host) => {
    expect(await ask(open, '/api/mesh', { host })).toMatchObject({ status: 200 });
  });

  it('tells nothing of the mesh without the token', async () => {
    for (const path of ['/api/mesh', '/api/events', '/api/series?id=x', '/api/explain?node=node-a'])
      for (const headers of [
        {},
        { authorization: 'Bearer wrong' },
        { authorization: `Basic ${token}` },
        { cookie: `nsm-dashboard-1=${token}` },
        { cookie: `other=${token}` },
      ]) {
        const { status, body } = await ask(closed, path, headers as never);
        expect(status).toBe(401);
        expect(body).not.toMatch(/node-a|firewall/);
      }
    expect(await ask(closed, '/api/mesh', bearer)).toMatchObject({ status: 200 });
  });

  it('takes the token from nobody but the page, and gives a cookie that no script and no other page has', async () => {
    const mark = { 'x-nsm': '1', 'content-type': 'application/json' };
    const given = await ask(closed, '/api/session', mark, JSON.stringify({ token }));
    expect(given.status).toBe(204);
    const [cookie = ''] = given.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\//);
    const [pair = ''] = cookie.split(';');
    expect(await ask(closed, '/api/mesh', { cookie: pair })).toMatchObject({ status: 200 });
    expect(await ask(closed, '/api/session', mark, JSON.stringify({ token: 'wrong' }))).toMatchObject({
      status: 401,
    });
  });

  it.each<[string, Record<string, string>]>([
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a form that says to be JSON', { 'content-type': 'text/plain' }],
    ['another page', { 'x-nsm': '1', origin: 'http://evil.example' }],
    ['a page without a name', { 'x-nsm': '1', origin: 'null' }],
    ['another port of this host', { 'x-nsm': '1', origin: 'http://127.0.0.1:1' }],
    ['another site', { 'x-nsm': '1', 'sec-fetch-site': 'cross-site' }],
    ['a sister site', { 'x-nsm': '1', 'sec-fetch-site': 'same-site' }],
  ])('is not changed by %s, though the browser sends its token along', async (_, headers) => {
    const answer = await ask(closed, '/api/disconnect', { ...bearer, ...headers }, change);
    expect(answer.status).toBe(403);
    expect(fake.managers[0]?.changed).toEqual([]);
  });

  it.each(['cross-site', 'same-site'])('keeps no place free for a page elsewhere: %s', async (site) => {
    for (const path of ['/api/events', '/api/mesh'])
      expect(await ask(open, path, { 'sec-fetch-site': site })).toMatchObject({ status: 403 });
    expect(await ask(open, '/', { 'sec-fetch-site': site })).toMatchObject({ status: 200 });
  });

  it('gives packets of others to nobody without a token, though the page is open', async () => {
    const path = '/api/capture?id=node-a:00000002&seconds=1';
    expect(await ask(open, path)).toMatchObject({ status: 403 });
    expect(await ask(closed, path)).toMatchObject({ status: 401 });
    expect(await ask(closed, path, bearer)).toMatchObject({
      status: 200,
      body: 'packets of node-a:00000002',
    });
    expect(await ask(closed, '/api/capture?id=other', bearer)).toMatchObject({ status: 404 });
  });

  it('is not changed without the token, by a question for a view, nor where that is not allowed', async () => {
    const mark = { 'x-nsm': '1' };
    expect(await ask(closed, '/api/disconnect', mark, change)).toMatchObject({ status: 401 });
    expect(await ask(closed, '/api/disconnect', { ...mark, ...bearer }, undefined, 'GET')).toMatchObject({
      status: 404,
    });
    for (const method of ['PUT', 'DELETE', 'OPTIONS', 'TRACE'])
      expect(await ask(closed, '/api/disconnect', bearer, undefined, method)).toMatchObject({ status: 405 });
    expect(await ask(open, '/api/disconnect', mark, change)).toMatchObject({ status: 403 });
    expect(fake.managers[0]?.changed).toEqual([]);
    expect(await ask(closed, '/api/disconnect', { ...mark, ...bearer }, change)).toMatchObject({
      status: 200,
    });
    expect(fake.managers[0]?.changed).toHaveLength(1);
  });

  it('runs no script but its own, is in no frame, and asks nobody else', async () => {
    const { headers, body } = await ask(open, '/', {});
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect(body).not.toMatch(/<script>|<style|style=| on\w+=/);
    for (const file of ['/page.js', '/page.css', '/']) {
      const { body: text } = await ask(open, file);
      expect(text.match(/(?:src|href)="https?:|url\(["']?https?:|@import/g) ?? []).toEqual([]);
    }
  });

  it('shows names that strangers chose as text that does nothing and hides nothing', async () => {
    const evil = variedMesh();
    const name = '<img src=x onerror=alert(1)>\u202egpj\u200b';
    const [connection] = evil.managers[0]!.connections.values();
    evil.managers[0]!.connections.set('node-a:1', { ...connection!, id: 'node-a:1', requestId: name });
    await using served = await serveMesh(evil);
    const { body, headers } = await ask(served, '/api/mesh');
    expect(headers['content-type']).toBe('application/json');
    expect(body).toContain('<img src=x onerror=alert(1)>\\\\u202egpj\\\\u200b');
  });

  it('has no other files, and takes no long question', async () => {
    for (const path of [
      '/../package.json',
      '/%2e%2e/package.json',
      '/page.js.map',
      '/etc/passwd',
      '//evil.example/',
    ])
      expect((await ask(open, path)).status).toBe(404);
    const long = { ...bearer, 'x-nsm': '1' };
    expect((await ask(closed, '/api/disconnect', long, 'x'.repeat(5000))).status).toBe(400);
  });

  it('asks managers 16 questions at a time, however many pages ask', async () => {
    const busy = variedMesh();
    await using served = await serveMesh(busy);
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    busy.managers[0]!.explain = async () => {
      await answered;
      return { problems: [], candidates: [] };
    };
    const asked = Array.from({ length: 40 }, () => ask(served, '/api/explain?node=node-a&service=x'));
    await expect.poll(async () => (await ask(served, '/api/compare?id=node-a:00000001')).status).toBe(503);
    // What is known is told meanwhile.
    expect(await ask(served, '/api/mesh')).toMatchObject({ status: 200 });
    answer();
    const answers = await Promise.all(asked);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(16);
    expect(await ask(served, '/api/compare?id=node-a:00000001')).toMatchObject({ status: 200 });
  });

  it('shows to 64 pages at a time, and serves whoever comes after one of them has gone', async () => {
    const aborts = Array.from({ length: 64 }, () => new AbortController());
    await Promise.all(aborts.map(({ signal }) => fetch(`${open.url}api/events`, { signal })));
    expect((await fetch(`${open.url}api/events`)).status).toBe(503);
    for (const abort of aborts) abort.abort();
    await expect
      .poll(async () => {
        const abort = new AbortController();
        const { status } = await fetch(`${open.url}api/events`, { signal: abort.signal });
        abort.abort();
        return status;
      })
      .toBe(200);
  });
});
