// What etcd says when a call fails, and what its users can do about it.
import { NsmError } from '@nsm/api';
import type { EtcdMember } from './etcd-access.js';
import { speaksTls } from './etcd-tls.js';

type Test = (thrown: unknown) => boolean;

const says =
  (pattern: RegExp): Test =>
  (thrown) =>
    pattern.test(NsmError.from(thrown).message);

/** The token has run out, the member has restarted, or users and roles have changed. */
export const isStaleToken: Test = says(/invalid auth token|revision of auth store is old/);
export const isLostLease: Test = says(/requested lease not found/);
/** There is no such revision any more, or not yet: the store is another one, or compacted. */
export const isLostRevision: Test = says(/required revision (has been compacted|is a future revision)/);

/** The first that fits is told. */
const advice: readonly (readonly [pattern: RegExp, words: (member: EtcdMember) => string])[] = [
  [
    /wrong version number|packet length too long|disconnected before secure/i,
    () => 'does not speak TLS, as it seems: write etcd:// instead of etcds://',
  ],
  [
    /unable to (verify|get)|self.signed certificate/i,
    () => 'shows a certificate of an authority that is not believed here: use --etcd-ca FILE',
  ],
  [
    /bad certificate|certificate required|handshake failure/i,
    () => 'wants a certificate of an authority that it believes: use --etcd-cert FILE and --etcd-key FILE',
  ],
  [
    /user name is empty/,
    () =>
      'wants a user: use --etcd-user NAME, with the password in NSM_ETCD_PASSWORD or --etcd-password-file FILE',
  ],
  [
    /authentication failed|authentication is not enabled/,
    ({ user }) => `does not know user ${user?.name} with this password`,
  ],
  [
    /permission denied/,
    ({ user }) =>
      `does not let ${user ? `user ${user.name}` : 'the user of this certificate'} read and write what is below the prefix: ` +
      'grant a role with etcdctl role grant-permission ROLE readwrite PREFIX --prefix=true',
  ],
  [
    /database space exceeded/,
    () => 'has no space left: compact and defragment it, then etcdctl alarm disarm',
  ],
];

const wantsTls =
  'speaks TLS: write etcds:// instead of etcd://, with --etcd-ca FILE for an authority of your own';

/** @returns an error of kind `registry`: no error of etcd says that a record is refused. */
export async function explain(thrown: unknown, member: EtcdMember): Promise<NsmError> {
  const error = NsmError.from(thrown);
  if (error.kind === 'registry') return error;
  const said = error.message;
  const words = await wordsOf(said, member);
  const { address } = member;
  return new NsmError('registry', `etcd at ${address}${words ? ` ${words} (${said})` : `: ${said}`}`, thrown);
}

async function wordsOf(said: string, member: EtcdMember): Promise<string | undefined> {
  const misunderstood = /plain text|^not connected/.test(said) && !said.includes('ECONNREFUSED');
  if (!member.tls && misunderstood && (await speaksTls(member.address))) return wantsTls;
  return advice.find(([pattern]) => pattern.test(said))?.[1](member);
}
