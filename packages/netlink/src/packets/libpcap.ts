// The compiler of libpcap, through koffi: filter expressions as of tcpdump, pcap-filter(7). Beside libc.ts and libbpf.ts the only
// file that knows of koffi.
import koffi from 'koffi';
import { viewOf } from '../libc/libc-memory.js';
import { filterInstructionSize } from '../protocol/socket-filter.js';

/** DLT_EN10MB: packets begin with an Ethernet header. */
const ethernet = 1;
/** PCAP_NETMASK_UNKNOWN: `ip broadcast` cannot be asked for. */
const unknownNetmask = 0xffff_ffff;
/** Bytes of a packet that a program gives. */
const everything = 0x40000;
/** BPF_MAXINSNS, linux/bpf_common.h. */
const mostInstructions = 4096;

type Pcap = object;

/** There is no libpcap on this machine. */
export class NoLibpcapError extends Error {}

/**
 * Compiles an expression for packets that begin with an Ethernet header.
 * @returns a program of classic BPF, each instruction 8 bytes as in linux/filter.h.
 * @throws NoLibpcapError; Error with what libpcap says is wrong with the expression.
 */
export const compileFilter = (expression: string): Buffer => {
  const pcap = bindings();
  const handle = pcap.open(ethernet, everything);
  if (handle === null) throw new Error('libpcap has no memory');
  try {
    // struct bpf_program: a length, padding, a pointer.
    const program = Buffer.alloc(16);
    if (pcap.compile(handle, program, expression, 1, unknownNetmask) !== 0)
      throw new Error(pcap.error(handle));
    try {
      const count = program.readUInt32LE(0);
      if (count > mostInstructions)
        throw new Error(`it takes ${count} instructions, and the kernel ${mostInstructions}`);
      const size = count * filterInstructionSize;
      return Buffer.from(Buffer.from(viewOf(Number(program.readBigUInt64LE(8)), size)));
    } finally {
      pcap.freeProgram(program);
    }
  } finally {
    pcap.close(handle);
  }
};

const bindings = () => {
  const lib = load();
  const fn = <T>(prototype: string): T => lib.func(prototype) as T;
  return {
    open: fn<(linkType: number, snapLength: number) => Pcap | null>(
      'void *pcap_open_dead(int linkType, int snapLength)',
    ),
    close: fn<(pcap: Pcap) => void>('void pcap_close(void *pcap)'),
    error: fn<(pcap: Pcap) => string>('const char *pcap_geterr(void *pcap)'),
    compile: fn<
      (pcap: Pcap, program: Buffer, expression: string, optimise: number, netmask: number) => number
    >('int pcap_compile(void *pcap, void *program, const char *expression, int optimise, uint32_t netmask)'),
    freeProgram: fn<(program: Buffer) => void>('void pcap_freecode(void *program)'),
  };
};

const load = (): ReturnType<typeof koffi.load> => {
  // Debian's name, and that of distributions which follow the version of the project.
  for (const name of ['libpcap.so.0.8', 'libpcap.so.1']) {
    try {
      return koffi.load(name);
    } catch {
      // The next one, perhaps.
    }
  }
  throw new NoLibpcapError('no libpcap.so.0.8 and no libpcap.so.1');
};
