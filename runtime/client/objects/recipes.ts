/**
 * How objects of this process's pure tasks are made again when they are lost: by the same task with
 * the same arguments, under the same id, on whatever node it then runs. One level deep: an argument
 * that is lost, too, fails it. Whoever wants an object meanwhile, a get or a task that has it as an
 * argument, shares the one rebuild; who learns of an old loss later takes what was made since.
 * Bounds: RECIPES_MAX and RECIPES_BYTES_MAX, the oldest go first; RECIPE_TRIES times each.
 */
import { SystemError } from "../../errors.ts";
import { ObjectRef } from "../../frame/object-ref.ts";
import { RECIPE_TRIES, RECIPES_BYTES_MAX, RECIPES_MAX } from "../../objects/limits.ts";

/** What makes an object again. */
export interface Recipe {
  /** What it holds in memory. */
  readonly bytes: number;
  /** Runs the task again; its object has the same id. */
  readonly again: () => Promise<unknown>;
}

interface Kept {
  readonly recipe: Recipe;
  tries: number;
  /** What `rebuilt` was when it was made again last; 0 before. */
  madeAt: number;
  /** Where the object is since it was made again. */
  latest: ObjectRef;
  rebuilding: Promise<ObjectRef> | undefined;
}

export class Recipes {
  /** By object, the oldest first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  #rebuilt = 0;

  /** Objects made again so far: a place that was sent at a lower count may be an old one. */
  get rebuilt(): number {
    return this.#rebuilt;
  }

  keep(ref: ObjectRef, recipe: Recipe): void {
    if (recipe.bytes > RECIPES_BYTES_MAX || this.#kept.has(ref.id)) return;
    this.#kept.set(ref.id, { recipe, tries: 0, madeAt: 0, latest: ref, rebuilding: undefined });
    this.#bytes += recipe.bytes;
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= RECIPES_MAX && this.#bytes <= RECIPES_BYTES_MAX) return;
      void this.forget(id);
    }
  }

  /** The object is wanted no more. @returns it, if it is being made again just now. */
  forget(id: string): Promise<ObjectRef> | undefined {
    const kept = this.#kept.get(id);
    this.#bytes -= kept?.recipe.bytes ?? 0;
    this.#kept.delete(id);
    return kept?.rebuilding;
  }

  /** Where an object is, as far as this process knows. */
  latest(ref: ObjectRef): ObjectRef {
    return this.#kept.get(ref.id)?.latest ?? ref;
  }

  /** A call's arguments, with its own refs as they are now. */
  latestAmong(args: readonly unknown[]): readonly unknown[] {
    if (this.#rebuilt === 0) return args;
    return args.map((arg) => (arg instanceof ObjectRef ? this.latest(arg) : arg));
  }

  /** Whether `rebuildSince` has an answer. */
  canRebuild(id: string, knew: number): boolean {
    const kept = this.#kept.get(id);
    if (kept === undefined) return false;
    return kept.madeAt > knew || kept.rebuilding !== undefined || kept.tries < RECIPE_TRIES;
  }

  /**
   * As `rebuild`, of an object that somebody else lost.
   * @param knew - what `rebuilt` was when its ref was sent there.
   */
  rebuildSince(id: string, knew: number): Promise<ObjectRef> | undefined {
    const kept = this.#kept.get(id);
    if (kept === undefined) return undefined;
    return kept.madeAt > knew ? Promise.resolve(kept.latest) : this.rebuild(kept.latest);
  }

  /**
   * Makes a lost object again.
   * @param was - the ref that was lost: another one is known if somebody was quicker.
   * @returns its ref, or undefined: there is no recipe, or it was tried too often.
   * @throws {SystemError} OBJECT_LOST when the task fails.
   */
  rebuild(was: ObjectRef): Promise<ObjectRef> | undefined {
    const kept = this.#kept.get(was.id);
    if (kept === undefined) return undefined;
    if (kept.latest !== was) return Promise.resolve(kept.latest);
    if (kept.rebuilding !== undefined) return kept.rebuilding;
    if (kept.tries >= RECIPE_TRIES) return undefined;
    kept.tries += 1;
    kept.rebuilding = this.#again(was, kept).finally(() => {
      kept.rebuilding = undefined;
    });
    return kept.rebuilding;
  }

  async #again(was: ObjectRef, kept: Kept): Promise<ObjectRef> {
    try {
      const made = (await kept.recipe.again()) as ObjectRef;
      if (made.id !== was.id) throw new SystemError("INTERNAL", "another object was made");
      kept.latest = made;
      this.#rebuilt += 1;
      kept.madeAt = this.#rebuilt;
      return made;
    } catch (thrown) {
      const what = `it was lost, and its task failed when it was run again: ${String(thrown)}`;
      throw new SystemError("OBJECT_LOST", what, { object: was.id }, thrown);
    }
  }
}
