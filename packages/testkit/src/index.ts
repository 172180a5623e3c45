// What the tests share: throw-away network namespaces, packets, processes.
export {};
