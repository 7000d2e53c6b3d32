/** `ligase/solver`: the contract of phase 2. */
export * from "./manifest.ts";
export * from "./solve.ts";
