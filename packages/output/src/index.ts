// Everything that commands print with.
export { type LineSink, Output, orDash, type Style } from './output.js';
export {
  interfaceBlock,
  type PcapngInterface,
  type PcapngPacket,
  packetBlock,
  sectionHeader,
  statisticsBlock,
} from './pcapng.js';
export { inUsersWords, printable, printableLines } from './printable.js';
