// Where the API server is and who we are there.

export interface ApiServer {
  /** `https://HOST:PORT`, perhaps with a path; `http:` speaks HTTP/2 in plain text, for tests. */
  readonly url: string;
  /** PEM certificates of the authorities that are believed, as they are now; undefined: those of Node.js. */
  readonly ca?: () => string;
  /** Name that the server's certificate must have, when it is not the host of the URL. */
  readonly serverName?: string;
  /** Believe any certificate: `insecure-skip-tls-verify`. */
  readonly insecure?: boolean;
}

export interface KubeCredentials {
  /** Of `Authorization: Bearer`, read anew where it may change. */
  token?(): Promise<string | undefined>;
  /** PEM, for a new connection. */
  certificate?(): Promise<{ readonly cert: string; readonly key: string } | undefined>;
  /** The server refused them: what was kept of them is forgotten. */
  forget?(): void;
}

export interface KubeConfig {
  readonly server: ApiServer;
  readonly credentials: KubeCredentials;
  /** Of the context or of this pod; `default` where neither says. */
  readonly namespace: string;
  /** Where all this is from, for messages: a path, or `this pod's service account`. */
  readonly source: string;
}
