// Of what names can be completed.
export const nameKinds = ['services', 'endpoints', 'connections', 'labs', 'members'] as const;

export type NameKind = (typeof nameKinds)[number];
