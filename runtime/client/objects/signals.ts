/** The error of a wait that its caller's signal ended. */
import { SystemError } from "../../errors.ts";

/** CANCELLED, with the signal's reason. */
export function cancelled(signal: AbortSignal): SystemError {
  const reason: unknown = signal.reason;
  const what = reason instanceof Error ? reason.message : String(reason);
  return new SystemError("CANCELLED", what, {}, reason);
}
