/** Pure core. How actors look from outside: the view that spawn, locate, actor and list answer. */
import type { ErrorData } from "../../../runtime/errors.ts";
import type { ActorView } from "../../../runtime/messages.ts";
import type { ActorEntry } from "./types.ts";

/** Characters of an error in a list: a page of them must fit a frame. */
const LISTED_ERROR_CHARS = 200;

export function viewOf(entry: ActorEntry): ActorView {
  const { record, incarnation, state, restarts, worker, sinceMs } = entry;
  const { actorId, actor, owner, pool, options } = record;
  const { name, lifetime, hosting, maxRestarts } = options;
  return {
    actorId,
    incarnation,
    actor,
    name,
    state,
    lifetime,
    hosting,
    pool,
    owner,
    maxRestarts,
    restarts,
    worker,
    address: state === "alive" ? entry.address : null,
    error: state === "dead" || state === "restarting" ? entry.error : null,
    sinceMs,
  };
}

/** The same among many: its error is cut short. */
export function listedView(entry: ActorEntry): ActorView {
  const view = viewOf(entry);
  return view.error === null ? view : { ...view, error: shortError(view.error) };
}

/** An error among many others: of 16 KiB each they would fill frames, and the head's memory. */
export function shortError({ code, what }: ErrorData): ErrorData {
  return { code, what: what.slice(0, LISTED_ERROR_CHARS), where: {} };
}
