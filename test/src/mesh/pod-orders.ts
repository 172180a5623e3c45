// What a test and the agent in a pod say to each other over the channel that node:child_process gives them.

/** How the agent's endpoint answers EndpointConnectionRequest. */
export type Behaviour =
  /** Fields 1 to 3 of the reply, and `more` (base64) behind them. */
  | { readonly kind: 'answer'; readonly netns: string; readonly more?: string }
  /** As `answer`, but only after a `release`. */
  | { readonly kind: 'hold'; readonly netns: string }
  /** A gRPC error. */
  | { readonly kind: 'fail'; readonly code: number; readonly details: string }
  /** Never. */
  | { readonly kind: 'hang' }
  /** The process kills itself. */
  | { readonly kind: 'die' };

export type Order =
  /** A unary gRPC call of raw bytes (base64) to `unix:PATH` or HOST:PORT. */
  | {
      readonly kind: 'call';
      readonly target: string;
      readonly method: string;
      readonly request: string;
      readonly timeoutMs: number;
    }
  /** Serves nseconnect.EndpointConnection on a unix socket. */
  | { readonly kind: 'serve'; readonly socket: string; readonly behaviour: Behaviour }
  | { readonly kind: 'behave'; readonly behaviour: Behaviour }
  | { readonly kind: 'release' }
  /** Listens on a unix socket, accepts, and never says a word. */
  | { readonly kind: 'listen-silently'; readonly socket: string }
  /**
   * Opens a plain socket, writes bytes (base64), and waits until the other side closes it, or for `patienceMs`; `keep`
   * leaves it open.
   */
  | {
      readonly kind: 'speak';
      readonly socket: string | { readonly host: string; readonly port: number };
      readonly bytes: string;
      readonly patienceMs: number;
      readonly keep: boolean;
    };

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'reply'; readonly bytes: string }
  /** A gRPC status, or the failure of a plain socket with code -1. */
  | { readonly kind: 'failed'; readonly code: number; readonly details: string }
  | { readonly kind: 'spoken'; readonly received: string; readonly closed: boolean };

export type ToAgent = { readonly id: number; readonly order: Order };

export type FromAgent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'outcome'; readonly id: number; readonly outcome: Outcome }
  /** The agent's endpoint was asked, with the bytes of the request (base64). */
  | { readonly kind: 'asked'; readonly bytes: string };
