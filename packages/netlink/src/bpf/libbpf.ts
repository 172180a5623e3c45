// The few functions of libbpf that load an eBPF object, through koffi. Beside libc.ts the only file that knows of it.
import koffi from 'koffi';

/** A pointer to one of libbpf's own structures. */
export type Handle = object;

/** What is used of libbpf 1.x. Pointers are null on failure, with `errno()` set; numbers are ≥ 0, or −errno. */
export interface Libbpf {
  open(path: string): Handle | null;
  load(object: Handle): number;
  close(object: Handle): void;
  map(object: Handle, name: string): Handle | null;
  mapFd(map: Handle): number;
  reuseMap(map: Handle, fd: number): number;
  program(object: Handle, name: string): Handle | null;
  programFd(program: Handle): number;
  errno(): number;
}

let library: Libbpf | undefined;

/** Loads `libbpf.so.1` once. @throws Error when there is none */
export const libbpf = (): Libbpf => {
  library ??= bindings();
  return library;
};

const bindings = (): Libbpf => {
  const lib = koffi.load('libbpf.so.1');
  const fn = <T>(prototype: string): T => lib.func(prototype) as T;
  // It prints what goes wrong to stderr; what went wrong is in the error instead.
  fn<(print: null) => unknown>('void *libbpf_set_print(void *print)')(null);
  const open = fn<(path: string, options: null) => Handle | null>(
    'void *bpf_object__open_file(const char *path, const void *options)',
  );
  return {
    open: (path) => open(path, null),
    load: fn('int bpf_object__load(void *object)'),
    close: fn('void bpf_object__close(void *object)'),
    map: fn('void *bpf_object__find_map_by_name(void *object, const char *name)'),
    mapFd: fn('int bpf_map__fd(void *map)'),
    reuseMap: fn('int bpf_map__reuse_fd(void *map, int fd)'),
    program: fn('void *bpf_object__find_program_by_name(void *object, const char *name)'),
    programFd: fn('int bpf_program__fd(void *program)'),
    errno: () => koffi.errno(),
  };
};
