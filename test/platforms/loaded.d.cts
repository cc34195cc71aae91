export function expectBinary(options?: { readonly orNone?: boolean }): void;
