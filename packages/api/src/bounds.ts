// Bounds that the giver and the taker of a thing both know, each with its reason.

/**
 * Routes of one side of a connection. A split tunnel may have ten thousand. The kernel takes 20 µs for each, and as many of IPv6 are
 * 0.7 MB in a reply, which every gRPC client takes (4 MiB by default).
 */
export const maxRoutes = 16_384;

/** Network services in one advertisement: with names of usual length as many fit into the 1 MiB that a request may have. */
export const maxServices = 8192;
