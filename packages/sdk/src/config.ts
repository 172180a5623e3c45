// What the SDK takes from the environment: the pod's identity, where its manager's sockets are, and where traces go.

/** Where a node keeps its manager's sockets unless told otherwise. */
export const defaultRunDir = '/run/nsm';

/** NSM_RUN_DIR, or `/run/nsm`. */
export function runDirFromEnvironment(): string {
  return process.env.NSM_RUN_DIR || defaultRunDir;
}

/** NSM_REQUEST_ID, or POD_UID as a pod gets it from the downward API; undefined when neither is set. */
export function requestIdFromEnvironment(): string | undefined {
  return process.env.NSM_REQUEST_ID || process.env.POD_UID || undefined;
}

/** NSM_OTLP_ENDPOINT; undefined when it is not set. */
export function otlpEndpointFromEnvironment(): string | undefined {
  return process.env.NSM_OTLP_ENDPOINT || undefined;
}
