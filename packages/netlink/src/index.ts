// rtnetlink for Node.js: namespaces, links, addresses, routes, neighbours, tc, monitoring.
export {};
