/** Lost objects of pure tasks: made again once for all who ask, a bounded number of times. */
import { expect, test } from "vitest";
import { Objects } from "../../../runtime/client/objects/objects.ts";
import { Recipes } from "../../../runtime/client/objects/recipes.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import type { Identity, ProcessId } from "../../../runtime/ids.ts";
import { RECIPE_TRIES, RECIPES_BYTES_MAX } from "../../../runtime/objects/limits.ts";

const job = "00000000000000aa" as ProcessId;

function refOf(node: string, id = "ab".repeat(16)): ObjectRef {
  return new ObjectRef({ id, bytes: 5_000, job, node: node as Identity });
}

test("who asks meanwhile shares one rebuild, and who comes later has its place", async () => {
  const recipes = new Recipes();
  const was = refOf("w-00000000000a");
  let runs = 0;
  const made = Promise.withResolvers<ObjectRef>();
  recipes.keep(was, {
    bytes: 10,
    again: () => {
      runs += 1;
      return made.promise;
    },
  });
  const all = [recipes.rebuild(was), recipes.rebuild(was)];
  const now = refOf("w-00000000000b");
  made.resolve(now);
  expect(await Promise.all(all.map((one) => Promise.resolve(one)))).toEqual([now, now]);
  expect(runs).toBe(1);
  expect(recipes.latest(refOf("w-00000000000a"))).toBe(now);
  expect(await recipes.rebuild(was)).toBe(now);
  expect(runs).toBe(1);
});

test("it isn't tried for ever, nor without a recipe, nor when it was released", async () => {
  const recipes = new Recipes();
  const was = refOf("w-00000000000a");
  expect(recipes.rebuild(was)).toBeUndefined();
  recipes.keep(was, { bytes: 10, again: () => Promise.reject(new Error("its argument is lost")) });
  for (let tries = 0; tries < RECIPE_TRIES; tries += 1) {
    await expect(recipes.rebuild(was)).rejects.toMatchObject({ code: "OBJECT_LOST" });
  }
  expect(recipes.rebuild(was)).toBeUndefined();
  const other = refOf("w-00000000000a", "cd".repeat(16));
  recipes.keep(other, { bytes: 10, again: () => Promise.resolve(other) });
  expect(recipes.forget(other.id)).toBeUndefined();
  expect(recipes.rebuild(other)).toBeUndefined();
});

test("the oldest recipes go when their arguments take too much", async () => {
  const recipes = new Recipes();
  const refs = ["01", "02", "03"].map((two) => refOf("w-00000000000a", two.repeat(16)));
  for (const ref of refs) {
    recipes.keep(ref, { bytes: RECIPES_BYTES_MAX / 2, again: () => Promise.resolve(ref) });
  }
  const known = refs.map((ref) => recipes.rebuild(ref) !== undefined);
  expect(known).toEqual([false, true, true]);
  recipes.keep(refOf("w-00000000000a"), {
    bytes: 2 * RECIPES_BYTES_MAX,
    again: () => Promise.reject(new Error("never")),
  });
  expect(recipes.rebuild(refOf("w-00000000000a"))).toBeUndefined();
});

test("an object that is released while it is made again goes when it is there", async () => {
  const released: string[] = [];
  const store = {
    open: () => Promise.reject(new SystemError("OBJECT_LOST", "gone")),
    release: async (places: readonly { readonly node: string }[]) => {
      released.push(...places.map(({ node }) => node));
    },
    put: () => Promise.reject(new Error("nothing is put")),
  };
  const objects = new Objects({ self: job, door: async () => undefined, remote: store });
  const was = refOf("w-00000000000a");
  const made = Promise.withResolvers<ObjectRef>();
  objects.recipes.keep(was, { bytes: 10, again: () => made.promise });
  const getting = objects.get(was).catch(String);
  await expect.poll(() => objects.recipes.canRebuild(was.id, 0)).toBe(true);
  await new Promise((resolve) => void setImmediate(resolve));
  await objects.release([was]);
  expect(released).toEqual(["w-00000000000a"]);
  made.resolve(refOf("w-00000000000b"));
  await expect.poll(() => released).toEqual(["w-00000000000a", "w-00000000000b"]);
  expect(await getting).toMatch(/OBJECT_LOST.*released/);
});
