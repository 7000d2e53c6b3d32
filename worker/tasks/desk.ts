/** The agent's adapter for tasks: reports to the head, and orders to executors. */
import type { Clock } from "../../runtime/clock.ts";
import { toSystemError } from "../../runtime/errors.ts";
import { TASK_EVENTS_MAX } from "../../runtime/tasks/limits.ts";
import { TASK_REPORT_MS } from "../../runtime/tasks/limits.ts";
import type { TaskWork } from "../../runtime/tasks/orders.ts";
import type { TaskReport } from "../../runtime/tasks/wire.ts";
import type { WorkerState } from "../core/state.ts";
import { taskReportIsDue, taskReportOf } from "../core/tasks/report.ts";
import type { HeldTask } from "../core/tasks/state.ts";

export interface TaskDeskPorts {
  readonly clock: Clock;
  readonly state: WorkerState;
  /** @throws {SystemError} FRAME_TOO_LARGE. */
  readonly send: (report: TaskReport) => void;
  readonly note: (what: string) => void;
}

/** Sends reports of tasks: at the turn's end, or soon where one has just left. */
export class TaskDesk {
  readonly #ports: TaskDeskPorts;
  #isSoon = false;
  #isStopped = false;
  #sentMs = Number.NEGATIVE_INFINITY;

  constructor(ports: TaskDeskPorts) {
    this.#ports = ports;
  }

  stop(): void {
    this.#isStopped = true;
  }

  reportSoon(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    const { clock } = this.#ports;
    const report = (): void => {
      this.#isSoon = false;
      if (!this.#isStopped) this.#report();
    };
    if (clock.now() - this.#sentMs < TASK_REPORT_MS) clock.after(TASK_REPORT_MS, report);
    else clock.soon(report);
  }

  /** As many reports as it takes. */
  #report(): void {
    const { clock, state, send, note } = this.#ports;
    this.#sentMs = clock.now();
    let max = TASK_EVENTS_MAX;
    while (taskReportIsDue(state)) {
      const { announce, nextToSay } = state.work;
      try {
        send(taskReportOf(state, max, clock.now()));
      } catch (thrown) {
        // Errors and groups may be long: fewer then.
        state.work.announce = announce;
        state.work.nextToSay = nextToSay;
        state.work.isReportDue = true;
        max >>= 1;
        if (max > 0) continue;
        note(`a report of tasks: ${toSystemError(thrown).message}`);
        return;
      }
    }
  }
}

/** What an executor is told of tasks of one block that follow each other. */
export function orderOf(tasks: readonly HeldTask[], nowMs: number): TaskWork {
  const [first] = tasks;
  if (first === undefined) throw new Error("an order of no tasks");
  const { block, deadlineAtMs } = first.of;
  const { owner, job, group, gpus, ends, args } = block;
  const start = first.index === 0 ? 0 : (ends[first.index - 1] ?? 0);
  const until = first.index + tasks.length;
  const end = ends[until - 1] ?? start;
  const isWhole = start === 0 && until === ends.length;
  return {
    ...{ op: "tasks", from: first.position, owner, job, group, gpus },
    deadlineMs: deadlineAtMs === Infinity ? null : Math.max(0, deadlineAtMs - nowMs),
    numbers: block.numbers.subarray(first.index, until),
    ends: isWhole ? ends : ends.slice(first.index, until).map((at) => at - start),
    args: args.subarray(start, end),
  };
}

/** Whether a message on the subject of commands is an order of tasks. */
export function isTaskOrder(value: unknown): boolean {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "tasks";
}
