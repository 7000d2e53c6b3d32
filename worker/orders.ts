/**
 * What an executor's agent has ordered, carried out in the order it came: one assignment at a time,
 * an actor's end or a cancel at once, also of what waits. The executor and the simulator's are both
 * built on it.
 */
import { SystemError } from "../runtime/errors.ts";
import type { ActorLife, Assignment, Done, ExecutorOrder, Outcome } from "../runtime/messages.ts";
import type { TaskSite } from "./tasks/site.ts";
import { hostTask } from "./core/lives.ts";

export interface OrderPorts {
  /** What came of an assignment; never throws. */
  readonly run: (assignment: Assignment, signal: AbortSignal) => Promise<Outcome>;
  /** An actor that has begun is to end. */
  readonly end: (life: ActorLife) => void;
  /** Takes tasks, which have their own order; none comes where there is none. */
  readonly tasks?: Pick<TaskSite, "run" | "recall" | "abort">;
  /** The lease of named actors counts from then. */
  readonly renew: (fromMs: number) => void;
  /** Assignments are taken up, after a time without any. */
  readonly onBegin?: () => void;
  /** What it returns is awaited before the next assignment; `isLast`: none waits. */
  readonly onDone: (done: Done, isLast: boolean) => Promise<void> | undefined;
  /** None is left. */
  readonly onRest?: () => void;
}

export class Orders {
  readonly #ports: OrderPorts;
  /** By task, in the order given. */
  readonly #waiting = new Map<string, Assignment>();
  readonly #aborts = new Map<string, AbortController>();
  #working = false;

  constructor(ports: OrderPorts) {
    this.#ports = ports;
  }

  obey(order: ExecutorOrder): void {
    switch (order.op) {
      case "run":
        this.#waiting.set(order.assignment.task, order.assignment);
        if (!this.#working) void this.#work();
        return;
      case "cancel":
        this.#aborts.get(order.task)?.abort();
        this.#waiting.delete(order.task);
        return;
      case "end":
        this.#end(order);
        return;
      case "lease":
        this.#ports.renew(order.fromMs);
        return;
      case "tasks":
        this.#ports.tasks?.run(order);
        return;
      case "task-recall":
        this.#ports.tasks?.recall(order.positions);
        return;
      case "task-abort":
        this.#ports.tasks?.abort(order.position);
        return;
      default:
        order satisfies never;
    }
  }

  /** An actor ends, or won't begin. */
  #end({ actorId, incarnation }: ActorLife): void {
    const task = hostTask(actorId);
    if (this.#waiting.get(task)?.attempt !== incarnation) {
      this.#ports.end({ actorId, incarnation });
      return;
    }
    this.#waiting.delete(task);
    const error = new SystemError("CANCELLED", "it was to end before it began").toData();
    const done = { task, attempt: incarnation, outcome: { kind: "failed", error } } as const;
    void this.#ports.onDone(done, false);
  }

  async #work(): Promise<void> {
    this.#working = true;
    this.#ports.onBegin?.();
    for (const [task, assignment] of this.#waiting) {
      this.#waiting.delete(task);
      const { attempt } = assignment;
      const abort = new AbortController();
      this.#aborts.set(task, abort);
      const outcome = await this.#ports.run(assignment, abort.signal);
      this.#aborts.delete(task);
      const pause = this.#ports.onDone({ task, attempt, outcome }, this.#waiting.size === 0);
      if (pause !== undefined) await pause;
    }
    this.#working = false;
    this.#ports.onRest?.();
  }
}
