// Whole meshes on one machine.
export {};
