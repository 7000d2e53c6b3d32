/**
 * What every Slurm behind the port does, as a suite: run on the fake's commands, on a real private
 * Slurm, and on the simulator's. Through the port alone, but for what a world can do to it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isEnded, type Slurm, type SlurmJob, type SlurmJobRef } from "../../head/slurm/slurm.ts";
import type { SubmitRequest } from "../../head/slurm/slurm.ts";

/** A Slurm and its surroundings. What a world can't do it leaves out. */
export interface SlurmWorld {
  readonly slurm: Slurm;
  /** A request under a name that no other has, of a job that does so. */
  request(work: "ends well" | "fails with 7" | "runs on"): Promise<SubmitRequest>;
  /** Lets a little time pass. */
  pass(): Promise<void>;
  /** The node of every running job fails; later ones find another, or the same in order again. */
  readonly failNode?: () => Promise<void>;
  /** An administrator puts a running job back into the queue. */
  readonly requeue?: (job: SlurmJobRef) => Promise<void>;
  /** A running job's time is over. */
  readonly timeOut?: (job: SlurmJobRef) => Promise<void>;
  /** An administrator holds a job that waits. */
  readonly hold?: (job: SlurmJobRef) => Promise<void>;
  /** The controller is gone. */
  readonly stopController?: () => Promise<void>;
  readonly startController?: () => Promise<void>;
  close(): Promise<void>;
}

/** Looks at a job before the suite gives up on it. */
const LOOKS_MAX = 4_000;

/** The suite. */
export function slurmConformance(name: string, start: () => Promise<SlurmWorld>): void {
  describe(`the port to Slurm on ${name}`, () => {
    const at = new Stage();
    beforeAll(async () => {
      at.world = await start();
    });
    afterAll(() => at.world.close());
    jobsByThemselves(at);
    jobsThatEnd(at);
    jobsTakenAway(at);
    controllers(at);
  });
}

/** The world, and what tests do in it. */
class Stage {
  #world: SlurmWorld | undefined;

  get world(): SlurmWorld {
    if (this.#world === undefined) throw new Error("the world hasn't begun");
    return this.#world;
  }

  set world(world: SlurmWorld) {
    this.#world = world;
  }

  async submit(work: Parameters<SlurmWorld["request"]>[0]): Promise<SlurmJobRef> {
    const outcome = await this.world.slurm.submitHeld(await this.world.request(work));
    if (outcome.kind !== "submitted") throw new Error(`${outcome.kind}: ${outcome.why}`);
    return outcome.job;
  }

  async until(
    ref: SlurmJobRef,
    isSo: (job: SlurmJob | undefined) => boolean,
  ): Promise<SlurmJob | undefined> {
    for (let look = 0; look < LOOKS_MAX; look += 1) {
      const job = await this.world.slurm.poll(ref);
      if (isSo(job)) return job;
      await this.world.pass();
    }
    throw new Error(`job ${ref.id} isn't what it should be`);
  }

  async toEnd(ref: SlurmJobRef): Promise<SlurmJob | undefined> {
    return await this.until(ref, (job) => job === undefined || isEnded(job.state));
  }

  async running(): Promise<SlurmJobRef> {
    const ref = await this.submit("runs on");
    await this.world.slurm.release(ref);
    await this.until(ref, (job) => job?.state === "RUNNING");
    return ref;
  }
}

/** What a job is, and how it is found. */
function jobsByThemselves(at: Stage): void {
  test("a job waits held, says who it is, and is found by its name alone", async () => {
    const request = await at.world.request("ends well");
    const outcome = await at.world.slurm.submitHeld(request);
    if (outcome.kind !== "submitted") throw new Error(outcome.why);
    const { job: ref } = outcome;
    expect(ref).toMatchObject({ clusterName: at.world.slurm.clusterName, name: request.name });
    const held = { ...ref, state: "PENDING", held: true, reason: "JobHeldUser", restarts: 0 };
    await at.world.pass();
    expect(await at.world.slurm.poll(ref)).toMatchObject({ ...held, comment: request.comment });
    expect(await at.world.slurm.find(request.name)).toMatchObject([held]);
    expect(await at.world.slurm.find(`${request.name}0`)).toEqual([]);
    await at.world.slurm.cancel(ref);
    expect((await at.toEnd(ref))?.state).toBe("CANCELLED");
  });

  test("two of one name are two, and one is released without the other", async () => {
    const request = await at.world.request("ends well");
    const refs = [];
    for (let i = 0; i < 2; i += 1) {
      const outcome = await at.world.slurm.submitHeld(request);
      if (outcome.kind === "submitted") refs.push(outcome.job);
    }
    const [one, two] = refs;
    if (one === undefined || two === undefined) throw new Error("not submitted");
    expect(await at.world.slurm.find(request.name)).toHaveLength(2);
    await at.world.slurm.release(one);
    expect((await at.toEnd(one))?.state).toBe("COMPLETED");
    expect(await at.world.slurm.poll(two)).toMatchObject({ state: "PENDING", held: true });
    await at.world.slurm.cancel(two);
  });
}

/** How jobs end, or don't begin. */
function jobsThatEnd(at: Stage): void {
  test("a released job runs to its end, which says its exit code", async () => {
    const well = await at.submit("ends well");
    const ill = await at.submit("fails with 7");
    await at.world.slurm.release(well);
    await at.world.slurm.release(ill);
    expect(await at.toEnd(well)).toMatchObject({ state: "COMPLETED", exitCode: 0, signal: 0 });
    expect(await at.toEnd(ill)).toMatchObject({ state: "FAILED", exitCode: 7, signal: 0 });
    // What ended is found while Slurm remembers it.
    expect(await at.world.slurm.find(ill.name)).toMatchObject([{ id: ill.id, state: "FAILED" }]);
  });

  test("a cancelled job ends, held or running; what isn't there is none's to touch", async () => {
    const ref = await at.running();
    await at.world.slurm.cancel(ref);
    expect((await at.toEnd(ref))?.state).toBe("CANCELLED");
    await at.world.slurm.cancel(ref);
    const unknown = { ...ref, id: "4000000" };
    expect(await at.world.slurm.poll(unknown)).toBeUndefined();
    expect(await at.world.slurm.poll({ ...ref, name: `${ref.name}0` })).toBeUndefined();
    await at.world.slurm.cancel(unknown);
    await expect(at.world.slurm.release(unknown)).rejects.toMatchObject({ code: "SLURM_FAILED" });
  });

  test("what can't be is refused, and leaves no job", async () => {
    const request = { ...(await at.world.request("ends well")), options: ["--partition=nowhere"] };
    const outcome = await at.world.slurm.submitHeld(request);
    expect(outcome).toMatchObject({ kind: "refused" });
    expect(await at.world.slurm.find(request.name)).toEqual([]);
  });
}

/** What nodes, administrators and limits do to jobs. */
function jobsTakenAway(at: Stage): void {
  test("a job over its time is TIMEOUT", async (context) => {
    if (at.world.timeOut === undefined) return context.skip();
    const ref = await at.running();
    await at.world.timeOut(ref);
    expect((await at.toEnd(ref))?.state).toBe("TIMEOUT");
  });

  test("a job whose node fails is NODE_FAIL, and isn't started again", async (context) => {
    if (at.world.failNode === undefined) return context.skip();
    const ref = await at.running();
    await at.world.failNode();
    expect(await at.toEnd(ref)).toMatchObject({ state: "NODE_FAIL", restarts: 0 });
  });

  test("a job that an administrator requeues has its id, and one restart", async (context) => {
    if (at.world.requeue === undefined) return context.skip();
    const ref = await at.running();
    await at.world.requeue(ref);
    const again = await at.until(ref, (job) => (job?.restarts ?? 0) > 0);
    expect(again).toMatchObject({ ...ref, restarts: 1 });
    await at.world.slurm.cancel(ref);
    expect((await at.toEnd(ref))?.state).toBe("CANCELLED");
  });

  test("a job that an administrator holds says so", async (context) => {
    if (at.world.hold === undefined) return context.skip();
    const ref = await at.submit("ends well");
    await at.world.hold(ref);
    const held = await at.until(ref, (job) => job?.reason === "JobHeldAdmin");
    expect(held).toMatchObject({ state: "PENDING", held: true });
    await at.world.slurm.cancel(ref);
  });
}

/** What a controller's absence does. */
function controllers(at: Stage): void {
  test("a controller that is gone is SLURM_FAILED; back, it knows its jobs", async (context) => {
    const { stopController, startController } = at.world;
    if (stopController === undefined || startController === undefined) return context.skip();
    const held = await at.submit("ends well");
    const ref = await at.running();
    await stopController();
    await expect(at.world.slurm.poll(ref)).rejects.toMatchObject({ code: "SLURM_FAILED" });
    await expect(at.world.slurm.find(ref.name)).rejects.toMatchObject({ code: "SLURM_FAILED" });
    const unclear = await at.world.slurm.submitHeld(await at.world.request("ends well"));
    expect(unclear.kind).toBe("unknown");
    await startController();
    expect(await at.world.slurm.poll(held)).toMatchObject({ state: "PENDING", held: true });
    expect(await at.world.slurm.poll(ref)).toMatchObject({ state: "RUNNING" });
    for (const job of [held, ref]) await at.world.slurm.cancel(job);
    expect((await at.toEnd(ref))?.state).toBe("CANCELLED");
  });
}
