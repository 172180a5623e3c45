// The filter that a caller gives. The kernel refuses programs that could harm it, and runs whatever else for each packet, on the node's
// own time: so a program is short, and reads the packet alone.
import { NsmError } from '@nsm/api';
import { filterInstructionSize } from '@nsm/netlink';

/** The longest expressions of people take some hundreds; the kernel would take 4096. */
const mostInstructions = 1024;

// BPF_LD|BPF_ABS, without the size of what is loaded (linux/bpf_common.h).
const codeWithoutSize = 0xffe7;
const loadFromPlace = 0x20;
/** SKF_AD_OFF (linux/filter.h): from there on no place in the packet, but a request, such as to search all of the packet. */
const requests = 0xffff_f000;

/** @returns the same program. @throws NsmError `invalid` */
export function validFilter(program: Uint8Array): Uint8Array {
  const count = program.length / filterInstructionSize;
  if (!Number.isInteger(count))
    throw new NsmError('invalid', `a filter of ${program.length} bytes is no whole number of instructions`);
  if (count > mostInstructions)
    throw new NsmError(
      'invalid',
      `a filter takes ${count} instructions, and ${mostInstructions} at most may be`,
    );
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  for (let at = 0; at < program.length; at += filterInstructionSize) {
    const isLoad = (view.getUint16(at, true) & codeWithoutSize) === loadFromPlace;
    if (isLoad && view.getUint32(at + 4, true) >= requests)
      throw new NsmError('invalid', 'a filter may read the packet, and nothing else of the kernel');
  }
  return program;
}
