#!/usr/bin/env node
// The nsm command. Everything it does is in src/, compiled to dist/ and put together below dist/bundle/ (scripts/bundle.mjs).
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { load, optimize } = require('./load.js');

/** Milliseconds after which a program has started; most commands have ended by then. */
const startedAfterMs = 1000;

/**
 * What nearly every command needs of Node.js. Its modules come with the code that V8 made of them, which is refused as soon as a flag of
 * V8 has changed: they are loaded before.
 */
const usedModules = [
  'http2',
  'child_process',
  'dgram',
  'fs/promises',
  'perf_hooks',
  'timers/promises',
  'worker_threads',
];

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`nsm needs Node.js 20.19 or newer; this is ${process.versions.node}`);
  process.exit(1);
}
// Before the modules are loaded, which takes dozens of descriptors at once. Node.js has raised the soft limit to the hard one.
const limit = Number(/^Max open files\s+(\d+)/m.exec(readLimits())?.[1] ?? Infinity);
const needed = 128;
if (limit < needed) {
  console.error(
    `nsm: this process may have ${limit} files open (RLIMIT_NOFILE), and needs ${needed} or more: raise that by \`ulimit -n\`, ` +
      'by LimitNOFILE= of its systemd unit, or by --ulimit nofile= of its container (NSM0605)',
  );
  process.exit(1);
}
const bundles = join(__dirname, '../dist/bundle');
if (!existsSync(join(bundles, 'current'))) {
  console.error('nsm is not compiled yet: run `npm run build` in the root of the repository');
  process.exit(1);
}
for (const name of usedModules) require(`node:${name}`);
optimize(false);
setTimeout(optimize, startedAfterMs, true).unref();
load(join(bundles, readFileSync(join(bundles, 'current'), 'utf8'), 'main.js')).run(process.argv.slice(2));

function readLimits() {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
