// A picture of a page as a PNG of 256 colours, some third as large (PNG specification, second edition).
import { crc32, deflateSync, inflateSync } from 'node:zlib';

/** Colours of a palette. */
const most = 256;
/** Squares of distances below which two colours are one; the first that leaves few enough is taken. */
const near = [12, 48, 100, 200, 400, 900, 2000];

/** @param png of 8 bits a channel, without transparency, as Chromium writes them. */
export function smallPng(png: Buffer): Buffer {
  const { width, rows } = pixelsOf(png);
  const counts = new Map<number, number>();
  for (const row of rows)
    for (let at = 0; at < row.length; at += 3) {
      const colour = row.readUIntBE(at, 3);
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
  const palette = paletteOf([...counts].toSorted((a, b) => b[1] - a[1]).map(([colour]) => colour));
  const places = new Map([...counts.keys()].map((colour) => [colour, nearest(palette, colour)]));
  const lines = rows.map((row) => {
    const line = Buffer.alloc(width + 1);
    for (let x = 0; x < width; x++) line[x + 1] = places.get(row.readUIntBE(3 * x, 3)) ?? 0;
    return line;
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(rows.length, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.concat(palette.map((colour) => bytesOf(colour)));
  return Buffer.concat([
    png.subarray(0, 8),
    chunk('IHDR', header),
    chunk('PLTE', colours),
    chunk('IDAT', deflateSync(Buffer.concat(lines), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function paletteOf(colours: readonly number[]): number[] {
  for (const least of near) {
    const palette: number[] = [];
    for (const colour of colours) {
      if (palette.every((one) => distance(one, colour) > least)) palette.push(colour);
      if (palette.length > most) break;
    }
    if (palette.length <= most) return palette;
  }
  return colours.slice(0, most);
}

function nearest(palette: readonly number[], colour: number): number {
  let best = 0;
  palette.forEach((one, place) => {
    if (distance(one, colour) < distance(palette[best] ?? 0, colour)) best = place;
  });
  return best;
}

function distance(a: number, b: number): number {
  const [left, right] = [bytesOf(a), bytesOf(b)];
  return left.reduce((sum, value, place) => sum + (value - (right[place] ?? 0)) ** 2, 0);
}

function bytesOf(colour: number): Buffer {
  return Buffer.from([colour >> 16, (colour >> 8) & 255, colour & 255]);
}

/** Section 9: each line is told as the difference to what is left of it and above it. */
function pixelsOf(png: Buffer): { readonly width: number; readonly rows: readonly Buffer[] } {
  const parts: Buffer[] = [];
  let [width, at] = [0, 8];
  while (at < png.length) {
    const length = png.readUInt32BE(at);
    const name = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (name === 'IHDR') {
      width = body.readUInt32BE(0);
      if (body[8] !== 8 || body[9] !== 2) throw new Error('not a picture of 24 bits a pixel');
    }
    if (name === 'IDAT') parts.push(body);
    at += 12 + length;
  }
  const told = inflateSync(Buffer.concat(parts));
  const rows: Buffer[] = [];
  for (let from = 0; from < told.length; from += 3 * width + 1) {
    const above = rows.at(-1) ?? Buffer.alloc(3 * width);
    const row = Buffer.from(told.subarray(from + 1, from + 1 + 3 * width));
    for (let x = 0; x < row.length; x++) {
      const [left, up, corner] = [x >= 3 ? row[x - 3]! : 0, above[x]!, x >= 3 ? above[x - 3]! : 0];
      row[x] = row[x]! + predicted(told[from] ?? 0, left, up, corner);
    }
    rows.push(row);
  }
  return { width, rows };
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter < 4) return [0, left, up, (left + up) >> 1][filter] ?? 0;
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value)) as [number, number, number];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function chunk(name: string, body: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), body]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}
