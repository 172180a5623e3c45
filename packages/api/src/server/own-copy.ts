// Copies of bytes that are kept: a slice would keep all that the socket was read with, 64 KiB for a byte.

/** The same bytes, in memory of their own when they are less than a quarter of what they hold. */
export function ownCopy(piece: Buffer): Buffer {
  if (piece.length * 4 >= piece.buffer.byteLength) return piece;
  const copy = Buffer.allocUnsafeSlow(piece.length);
  piece.copy(copy);
  return copy;
}
