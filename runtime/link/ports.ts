/** What a link needs of the process it is in, and whom it tells what. */
import type { SystemError } from "../errors.ts";
import type { ProcessId } from "../ids.ts";
import type { Clock } from "../clock.ts";
import type { Link } from "./link.ts";

/** Who takes what a link brings. */
export interface LinkHandlers {
  /** A frame's items, in order, each once. A FRAME_... error that it throws resets the link. */
  onItems(items: readonly unknown[]): void;
  /**
   * The link is over; called once, whoever ended it.
   * @param unsent - how many of the last items given to `send` were never handed to the carrier.
   */
  onReset(error: SystemError, unsent: number): void;
  /** The link was seen `stalled` and has room again. */
  onReady?(): void;
}

/** What happened on a process's links since it started. */
export interface LinkCounters {
  opened: number;
  accepted: number;
  /** Frames sent again. */
  resent: number;
  /** Frames received more than once. */
  duplicates: number;
  /** Times that a frame was found missing. */
  gaps: number;
  resets: number;
  /** Frames that broke the format or their link's rules. */
  refused: number;
}

/** What a link has of the process it is in. */
export interface LinkPorts {
  readonly self: ProcessId;
  readonly clock: Clock;
  readonly counters: LinkCounters;
  /** Names of an item's fields, for the paths in errors. */
  readonly names: readonly string[];
  /** Whether a silent process is seen to run; undefined when nobody can tell. */
  readonly vouch: (process: ProcessId) => boolean | undefined;
  /** The link's first frame came: who takes its items. */
  readonly accept: (link: Link) => LinkHandlers;
  readonly onEnd: (link: Link) => void;
}
