// The token of a user of etcd, which etcd gives for a password and forgets after minutes.

export class EtcdUser {
  readonly name: string;
  readonly #password: string;
  #token: Promise<string> | undefined;

  constructor(name: string, password: string) {
    this.name = name;
    this.#password = password;
  }

  /** Checking a password takes etcd a tenth of a second of work: all calls, of all connections, share the token. */
  token(authenticate: (name: string, password: string) => Promise<string>): Promise<string> {
    if (this.#token) return this.#token;
    const token = authenticate(this.name, this.#password);
    this.#token = token;
    token.catch(() => this.forget(token));
    return token;
  }

  /** Etcd does not take it any more. */
  forget(token: Promise<string>): void {
    if (this.#token === token) this.#token = undefined;
  }
}
