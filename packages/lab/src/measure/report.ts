// What a lab shows once it is up: one row for each connection, and the further checks.

/** A measured round trip. */
export interface RoundTrip {
  /** Median, in microseconds; null when nothing came back. */
  readonly microseconds: number | null;
  readonly sent: number;
  readonly received: number;
  /** What was measured, such as `172.16.0.1 from alice`. */
  readonly what: string;
}

export interface ConnectionRow {
  /** The client's pod. */
  readonly client: string;
  readonly requestId: string;
  readonly service: string;
  /** Name of the endpoint that was chosen. */
  readonly endpoint: string | null;
  /** Node of the client. */
  readonly node: string;
  /** Node of the endpoint. */
  readonly endpointNode: string | null;
  /** Name in the client's pod. */
  readonly interface: string | null;
  readonly interfaceType: string | null;
  /** Of the endpoint's side. */
  readonly endpointInterfaceType: string | null;
  /** Such as `VXLAN 5`; null for a local connection. */
  readonly tunnel: string | null;
  readonly addresses: readonly string[];
  readonly peerAddresses: readonly string[];
  /** Bytes. */
  readonly mtu: number | null;
  /** From the client to the endpoint, by ICMP. */
  readonly there: readonly RoundTrip[];
  /** From the endpoint to the client, by ICMP. */
  readonly back: readonly RoundTrip[];
  /** Bits per second of a TCP stream from the client to the endpoint; null when it was not measured. */
  readonly throughput: number | null;
  /** As the client's manager sees it: UP, HEALING, …; FAILED when there is none. */
  readonly state: string;
  /** This machine cannot do it, as `detail` says, and the lab file does not insist. */
  readonly notHere: boolean;
  /** Why it is not up, or why packets do not flow; empty when all is well. */
  readonly detail: string;
}

/** A further check of the lab file. */
export interface Checked {
  readonly from: string;
  readonly to: string;
  readonly roundTrips: readonly RoundTrip[];
  readonly ok: boolean;
}

export interface LabReport {
  readonly lab: string;
  /** True when every connection that is possible here carried packets in both directions and every check was answered. */
  readonly ok: boolean;
  readonly connections: readonly ConnectionRow[];
  readonly checks: readonly Checked[];
}

/** True when every round trip was answered, and there was at least one. */
export const answered = (trips: readonly RoundTrip[]): boolean =>
  trips.length > 0 && trips.every(({ received }) => received > 0);

/** True when the connection is up, packets flowed both ways, and so did a stream where one was sent. */
export const carries = (row: ConnectionRow): boolean =>
  row.state === 'UP' && answered(row.there) && answered(row.back) && row.throughput !== 0;
