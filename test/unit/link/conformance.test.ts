/** The conformance suite over a simulated bus, in virtual time. */
import { conformance } from "./conformance.ts";
import { simulatedWorld } from "./world.ts";

conformance("a simulated bus", () => Promise.resolve(simulatedWorld()));
