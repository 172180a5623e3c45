#!/usr/bin/env node
// The nsm command. Everything it does is in src/, compiled to dist/.
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`nsm needs Node.js 20.19 or newer; this is ${process.versions.node}`);
  process.exit(1);
}
const main = new URL('../dist/main.js', import.meta.url);
if (!existsSync(main)) {
  console.error('nsm is not compiled yet: run `npm run build` in the root of the repository');
  process.exit(1);
}
const { run } = await import(main.href);
await run(process.argv.slice(2));
