// Loaded into a manager under test before it starts (`node --import`): it draws its tunnel identifiers from so few that
// those of two managers meet all the time.
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Far fewer than two managers reserve when they are busy. */
const space = 96;
const { randomInt } = crypto;

Object.assign(crypto, {
  randomInt: (lowest: number, end: number) => randomInt(lowest, Math.min(end, lowest + space)),
});
syncBuiltinESMExports();
