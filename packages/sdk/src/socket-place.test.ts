// Where an endpoint's socket is when the run directory does not take it, and that nothing of it stays.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serve } from './index.js';
import { ManagerSide } from './manager-side.test.support.js';

describe('an endpoint that has its socket in the run directory', () => {
  it('removes sockets of killed ones, and nothing that is served or no socket', async () => {
    await using manager = new ManagerSide();
    await manager.start();
    const folder = join(manager.runDir, 'endpoints');
    mkdirSync(folder);
    writeFileSync(join(folder, 'file.sock'), '');
    const killed = createServer();
    await once(killed.listen(join(folder, 's')), 'listening');
    // Closing removes the name it was made under.
    renameSync(join(folder, 's'), join(folder, 'killed.sock'));
    killed.close();
    const served = await serve({ service: 'a', name: 'one', runDir: manager.runDir });
    const second = await serve({ service: 'a', name: 'two', runDir: manager.runDir });
    expect(readdirSync(folder).toSorted()).toEqual(['file.sock', 'one.sock', 'two.sock']);
    await second.close();
    await served.close();
  });
});

describe('an endpoint that cannot have its socket in the run directory', () => {
  let tmp: string;
  const before = process.env.TMPDIR;
  let manager: ManagerSide;
  beforeEach(() => {
    manager = new ManagerSide();
    writeFileSync(join(manager.runDir, 'endpoints'), '');
    tmp = mkdtempSync(join(tmpdir(), 'nsm-tmp-'));
    process.env.TMPDIR = tmp;
  });
  afterEach(async () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await manager[Symbol.asyncDispose]();
    rmSync(tmp, { recursive: true });
  });
  const options = () => ({ service: 'a', name: 'fw', runDir: manager.runDir });

  it('has it in a folder of its own, which goes when it is closed', async () => {
    await manager.start();
    const served = await serve(options());
    expect(dirname(dirname(served.socket))).toBe(tmp);
    expect(manager.advertised[0]?.networkEndpoint[0]?.socketLocation).toBe(served.socket);
    await served.close();
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('leaves nothing when nobody answers, it is refused, given up, or asked for what there is not', async () => {
    await expect(serve(options())).rejects.toMatchObject({ kind: 'unavailable' });
    expect(readdirSync(tmp)).toEqual([]);
    const signal = AbortSignal.timeout(50);
    await expect(serve({ ...options(), signal, waitMs: 60_000 })).rejects.toThrow();
    expect(readdirSync(tmp)).toEqual([]);
    await manager.start();
    manager.refuse = 'no (NSM0101)';
    await expect(serve(options())).rejects.toMatchObject({ kind: 'invalid' });
    await expect(serve({ ...options(), interfaces: ['none' as 'kernel'] })).rejects.toThrow();
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('removes what killed ones left, and nothing that may be somebody’s', async () => {
    await manager.start();
    const served = await serve(options());
    const living = dirname(served.socket);
    const place = (name: string, file?: string): string => {
      const folder = join(tmp, name);
      mkdirSync(folder);
      if (file !== undefined) writeFileSync(join(folder, file), '');
      return folder;
    };
    const left = place('nsm-endpoint-left');
    const killed = createServer();
    await once(killed.listen(join(left, 's')), 'listening');
    // Closing removes the name it was made under.
    renameSync(join(left, 's'), join(left, 'endpoint.sock'));
    killed.close();
    const others = [
      place('nsm-endpoint-empty'),
      place('nsm-endpoint-more', 'x'),
      place('nsm-other', 'endpoint.sock'),
    ];
    const second = await serve({ ...options(), name: 'fw-2' });
    const seen = readdirSync(tmp).map((name) => join(tmp, name));
    expect(seen.toSorted()).toEqual([living, dirname(second.socket), ...others].toSorted());
    await second.close();
    await served.close();
  });
});
