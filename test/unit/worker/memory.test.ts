/** The memory watch's decision, and what it reads of machines of several kinds. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  MEMORY_FLOOR_BYTES_MAX,
  MEMORY_GROWTH_MS,
  MEMORY_SETTLE_MS,
} from "../../../runtime/limits.ts";
import {
  describeVerdict,
  floorOf,
  isNear,
  judge,
  newMemoryState,
} from "../../../worker/machine/memory.ts";
import {
  familyOf,
  isRunning,
  lookAt,
  lookAtMemory,
  oomKills,
  ownBytesOf,
  wantedMsOf,
} from "../../../worker/machine/procfs.ts";

const MIB = 1024 * 1024;
const FLOOR = 100 * MIB;
const low = { availableBytes: FLOOR - 1, totalBytes: 1_000 * MIB };
const enough = { availableBytes: FLOOR, totalBytes: 1_000 * MIB };

describe("the watch", () => {
  test("ends nobody while there is enough", () => {
    const state = newMemoryState(FLOOR);
    expect(judge(state, enough, [{ key: 1, bytes: 900 * MIB }], 0)).toBeUndefined();
    expect(isNear(state, enough)).toBe(true);
    expect(isNear(state, { ...enough, availableBytes: 4 * FLOOR })).toBe(false);
  });

  test("ends the largest one, and says what it held and what was free", () => {
    const state = newMemoryState(FLOOR);
    const looks = [
      { key: 1, bytes: 50 * MIB },
      { key: 2, bytes: 700 * MIB },
    ];
    const verdict = judge(state, low, looks, 0);
    expect(verdict?.key).toBe(2);
    expect(verdict === undefined ? "" : describeVerdict(verdict)).toBe(
      "it held 700 MiB, more than any other, when 100 MiB were free, under the floor of 100 MiB",
    );
  });

  test("ends the one that grows rather than one that is large and doesn't", () => {
    const state = newMemoryState(FLOOR);
    const [model, leak] = [
      { key: 1, bytes: 600 * MIB },
      { key: 2, bytes: 20 * MIB },
    ];
    judge(state, enough, [model, leak], 0);
    const grown = { key: 2, bytes: 300 * MIB };
    expect(judge(state, low, [model, grown], 1_000)?.key).toBe(2);
    // Growth of long ago doesn't count.
    const later = newMemoryState(FLOOR);
    judge(later, enough, [model, leak], 0);
    judge(later, enough, [model, grown], MEMORY_GROWTH_MS);
    expect(judge(later, low, [model, grown], MEMORY_GROWTH_MS + 1)?.key).toBe(1);
  });

  test("ends one at a time, and the next when the first one's memory had time to come back", () => {
    const state = newMemoryState(FLOOR);
    const [one, two] = [
      { key: 1, bytes: 300 * MIB },
      { key: 2, bytes: 200 * MIB },
    ];
    expect(judge(state, low, [one, two], 0)?.key).toBe(1);
    expect(judge(state, low, [one, two], 10_000)).toBeUndefined();
    expect(judge(state, low, [two], 10_100)).toBeUndefined();
    expect(judge(state, low, [two], 10_100 + MEMORY_SETTLE_MS - 1)).toBeUndefined();
    expect(judge(state, low, [two], 10_100 + MEMORY_SETTLE_MS)?.key).toBe(2);
  });

  test("ends none that is too small to be why", () => {
    const state = newMemoryState(FLOOR);
    expect(judge(state, low, [{ key: 1, bytes: FLOOR / 8 - 1 }], 0)).toBeUndefined();
    expect(judge(state, low, [], 0)).toBeUndefined();
  });

  test("keeps a share free, a bounded one on a large machine", () => {
    const state = newMemoryState();
    expect(floorOf(state, { availableBytes: 0, totalBytes: 1_000 })).toBe(50);
    const large = { availableBytes: 0, totalBytes: 1e12 };
    expect(floorOf(state, large)).toBe(MEMORY_FLOOR_BYTES_MAX);
  });
});

describe("the memory of a machine", () => {
  const roots: string[] = [];
  afterEach(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
  });

  function machine(files: Record<string, string>): string {
    const root = mkdtempSync(join(tmpdir(), "lgm-"));
    roots.push(root);
    const meminfo = "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    600 kB\n";
    for (const [path, text] of Object.entries({ "proc/meminfo": meminfo, ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return root;
  }

  test("without cgroups is the machine's own", () => {
    const look = { availableBytes: 600 * 1024, totalBytes: 1000 * 1024 };
    expect(lookAtMemory(machine({}))).toEqual(look);
    const unlimited = machine({
      "proc/self/cgroup": "0::/a/b\n",
      "sys/fs/cgroup/a/b/memory.max": "max\n",
      "sys/fs/cgroup/a/b/memory.current": "5000\n",
    });
    expect(lookAtMemory(unlimited)).toEqual(look);
  });

  test("is the tightest cgroup's, its own or one above; old cached files count as free", () => {
    const v2 = machine({
      "proc/self/cgroup": "0::/a/b\n",
      "sys/fs/cgroup/a/memory.max": "100000\n",
      "sys/fs/cgroup/a/memory.current": "90000\n",
      "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 5000\nactive_file 7\n",
      "sys/fs/cgroup/a/b/memory.max": "max\n",
    });
    expect(lookAtMemory(v2)).toEqual({ availableBytes: 15_000, totalBytes: 100_000 });
    const v1 = machine({
      "proc/self/cgroup": "7:cpu,cpuacct:/c\n6:memory:/m/n\n0::/\n",
      "sys/fs/cgroup/memory/m/n/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/m/memory.limit_in_bytes": "50000\n",
      "sys/fs/cgroup/memory/m/memory.usage_in_bytes": "49000\n",
      "sys/fs/cgroup/memory/m/memory.stat": "inactive_file 9\ntotal_inactive_file 200\n",
    });
    expect(lookAtMemory(v1)).toEqual({ availableBytes: 1_200, totalBytes: 50_000 });
  });

  test("tells how many processes the kernel ended, on the machine and in the cgroup", () => {
    const root = machine({
      "proc/vmstat": "oom_killer 9\noom_kill 3\n",
      "proc/self/cgroup": "0::/a\n",
      "sys/fs/cgroup/a/memory.events": "oom 7\noom_kill 2\n",
    });
    expect(oomKills(root)).toBe(5);
    expect(oomKills(machine({}))).toBe(0);
  });

  test("of this very machine and process can be read", () => {
    const look = lookAtMemory();
    expect(look?.totalBytes).toBeGreaterThan(100 * MIB);
    expect(look?.availableBytes).toBeLessThanOrEqual(look?.totalBytes ?? 0);
    expect(ownBytesOf(process.pid)).toBeGreaterThan(5 * MIB);
    expect(lookAt(process.pid)?.cpuMs).toBeGreaterThan(0);
    expect(wantedMsOf(process.pid)).toBeGreaterThan(0);
    expect(isRunning(process.pid)).toBe(true);
    expect(familyOf(process.pid)[0]).toBe(process.pid);
    expect(lookAtMemory(machine({}).concat("/nowhere"))).toBeUndefined();
  });
});
