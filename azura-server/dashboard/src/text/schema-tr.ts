export const turkish: Record<string, string> = {};
