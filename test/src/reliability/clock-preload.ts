// Loaded before a process under test, in each of its threads: its clock of the day jumps back and forth, by up to a month, or is
// ahead by as many milliseconds as the file CLOCK_AHEAD says.
import { readFileSync } from 'node:fs';

const hour = 3_600_000;
const shifts = [0, -hour, hour, -24 * hour, 30 * 24 * hour];
const file = process.env.CLOCK_AHEAD;
const shiftNow = (): number =>
  file === undefined
    ? (shifts[Math.floor(Math.random() * shifts.length)] ?? 0)
    : Number(readFileSync(file, 'utf8'));
const RealDate = Date;
let shift = shiftNow();
const now = (): number => RealDate.now() + shift;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, words, self) => Reflect.construct(target, words.length > 0 ? words : [now()], self),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
});
setInterval(() => {
  shift = shiftNow();
}, 20).unref();
