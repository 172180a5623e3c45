// End-to-end tests: whole meshes of real processes in network namespaces.
export {};
