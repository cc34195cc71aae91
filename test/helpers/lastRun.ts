// What `lastRun` says of a step that computed no norm, without what is undefined.
export const WITHOUT_NORM = { clipped: false, skipped: false };
