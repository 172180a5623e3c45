// Ready-made network service endpoints.
export {};
