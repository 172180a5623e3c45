// Runs a command under a seccomp filter as systemd would load it: node with-seccomp.js '{"calls":[…],"families":[…],"namespaces":[…]}' COMMAND ….
// No new privileges must be set before (prctl(2)), as setpriv does.
import koffi from 'koffi';

export interface Filter {
  /** Names of the system calls that are allowed; all others fail with EPERM. */
  readonly calls: readonly string[];
  /** Numbers of the address families that sockets may have. */
  readonly families: readonly number[];
  /** CLONE_NEW… of the namespaces that setns may enter. */
  readonly namespaces: readonly number[];
}

// seccomp(2), seccomp.h of libseccomp 2.5
const ACT_ALLOW = 0x7fff0000;
const ACT_EPERM = 0x00050000 | 1;
const CMP_EQ = 4;
const noSuchCall = -1;

const seccomp = koffi.load('libseccomp.so.2');
const init = seccomp.func('void *seccomp_init(uint32_t action)');
const resolve = seccomp.func('int seccomp_syscall_resolve_name(const char *name)');
const add = seccomp.func(
  'int seccomp_rule_add_array(void *context, uint32_t action, int call, unsigned int count, void *compare)',
);
const load = seccomp.func('int seccomp_load(void *context)');
const libc = koffi.load(null);
const exec = libc.func('int execv(const char *path, const char **argv)');
const fcntl = libc.func('int fcntl(int fd, int command, int argument)');
// fcntl.h
const F_SETFD = 2;

const [text = '{}', ...argv] = process.argv.slice(2);
const { calls, families, namespaces } = JSON.parse(text) as Filter;
const context: unknown = init(ACT_EPERM);

const allow = (name: string, argument?: { readonly index: number; readonly value: number }): void => {
  const call = resolve(name) as number;
  if (call === noSuchCall) return;
  const compare = Buffer.alloc(24);
  if (argument) {
    compare.writeUInt32LE(argument.index, 0);
    compare.writeUInt32LE(CMP_EQ, 4);
    compare.writeBigUInt64LE(BigInt(argument.value), 8);
  }
  const result = add(context, ACT_ALLOW, call, argument ? 1 : 0, argument ? compare : null) as number;
  if (result < 0) throw new Error(`${name}: seccomp_rule_add: ${result}`);
};

for (const name of calls)
  if (name === 'socket') for (const value of families) allow(name, { index: 0, value });
  else if (name === 'setns') for (const value of namespaces) allow(name, { index: 1, value });
  else allow(name);

const loaded = load(context) as number;
if (loaded < 0) throw new Error(`seccomp_load: ${loaded}`);
// Node.js has marked its standard streams to be closed.
for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 0);
exec(argv[0], [...argv, null]);
throw new Error(`cannot run ${argv[0]}`);
