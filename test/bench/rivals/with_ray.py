"""Ray beside our benches: `with_ray.py SECTION` prints one JSON object of figures by name.

Each section measures what the bench of the same name measures of ours: the same number of calls in
flight, the same work in the killed actor. Ray's usage reports are off, its dashboard too, but in
`start`, which is about what stands there idle.
"""
import json
import os
import signal
import statistics
import sys
import time

import ray

IN_FLIGHT = 1000
now = time.perf_counter


@ray.remote(num_cpus=0)
class Echo:
    def nop(self):
        return 0

    def pid(self):
        return os.getpid()

    def sleep(self, seconds):
        time.sleep(seconds)
        return os.getpid()


@ray.remote(num_cpus=0)
class Caller:
    def __init__(self, actors):
        self.actors = actors

    def run(self, rounds):
        for _ in range(rounds):
            each = IN_FLIGHT // len(self.actors)
            ray.get([a.nop.remote() for a in self.actors for _ in range(each)])
        return rounds * IN_FLIGHT


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def actor(**options):
    made = Echo.options(**options).remote()
    ray.get(made.nop.remote())
    return made


def calls():
    echo = actor()
    ray.get([echo.nop.remote() for _ in range(2000)])
    begun = now()
    for _ in range(20):
        ray.get([echo.nop.remote() for _ in range(IN_FLIGHT)])
    return {"callsPerSecond": 20 * IN_FLIGHT / (now() - begun)}


@ray.remote(num_cpus=1)
def noop():
    return None


def tasks():
    ray.get([noop.remote() for _ in range(2000)])
    begun = now()
    ray.get([noop.remote() for _ in range(10000)])
    return {"tasksPerSecond": 10000 / (now() - begun)}


def queue():
    stuck = noop.options(resources={"nowhere": 1})
    begun = now()
    refs = [stuck.remote() for _ in range(20000)]
    return {"queuedPerSecond": len(refs) / (now() - begun)}


def latency():
    echo = actor()
    micros = []
    for _ in range(3000):
        begun = now()
        ray.get(echo.nop.remote())
        micros.append(1e6 * (now() - begun))
    return {"p50Us": quantile(micros, 0.5), "p99Us": quantile(micros, 0.99)}


def n_n():
    actors = [actor() for _ in range(4)]
    callers = [Caller.remote(actors) for _ in range(4)]
    ray.get([caller.run.remote(1) for caller in callers])
    begun = now()
    count = sum(ray.get([caller.run.remote(5) for caller in callers]))
    return {"callsPerSecond": count / (now() - begun)}


def create():
    millis = []
    for _ in range(5):
        begun = now()
        made = actor()
        millis.append(1e3 * (now() - begun))
        ray.kill(made)
    return {"medianMs": statistics.median(millis)}


def killed():
    answered, moved = [], []
    for _ in range(10):
        made = actor()
        pid = ray.get(made.pid.remote())
        pending = made.sleep.remote(60)
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        begun = now()
        try:
            ray.get(pending)
        except ray.exceptions.RayActorError:
            answered.append(1e3 * (now() - begun))
    made = actor(max_restarts=-1, max_task_retries=-1)
    for _ in range(10):
        pid = ray.get(made.pid.remote())
        pending = made.sleep.remote(0.4)
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        begun = now()
        ray.get(pending)
        moved.append(1e3 * (now() - begun) - 400)
    return {
        "answeredP50Ms": statistics.median(answered),
        "answeredP99Ms": quantile(answered, 0.99),
        "movedP50Ms": statistics.median(moved),
        "movedP99Ms": quantile(moved, 0.99),
    }


def idle_megabytes():
    """PSS of all that descends from this process, found by the environment it left in them."""
    mark, total = f"LIGASE_BENCH_MARK={os.environ['LIGASE_BENCH_MARK']}".encode(), 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(pid) == os.getpid():
                continue
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if mark not in environ.read().split(b"\0"):
                    continue
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except OSError:
            continue
    return total / 1024


def start():
    begun = now()
    ray.init(address="local", logging_level="ERROR", log_to_driver=False)
    echo = Echo.remote()
    ray.get(echo.nop.remote())
    seconds = now() - begun
    ray.kill(echo)
    time.sleep(2)
    return {"seconds": seconds, "idlePssMb": idle_megabytes()}


@ray.remote(num_cpus=0)
class Holder:
    """Objects of another process, as the bench of that name has them."""

    def get_us(self, boxed, times):
        took = []
        for _ in range(times):
            begun = now()
            value = ray.get(boxed[0])
            first = value[0]
            took.append(1e6 * (now() - begun))
            assert first == 7
            del value
        return statistics.median(took)

    def put_rate(self, size):
        import numpy

        data, rates = numpy.full(size, 3, numpy.uint8), []
        for _ in range(4):
            begun = now()
            ref = ray.put(data)
            rates.append(size / (now() - begun) / 1e9)
            del ref
        return statistics.median(rates[1:])

    def get_all(self, boxed):
        begun = now()
        assert all(value[0] == 1 for value in ray.get(boxed))
        return len(boxed) / (now() - begun)


def objects():
    import numpy

    holder = Holder.remote()
    large = ray.put(numpy.full(256_000_000, 7, numpy.uint8))
    get_us = ray.get(holder.get_us.remote([large], 50))
    rate = ray.get(holder.put_rate.remote(64_000_000))
    small = numpy.ones(100, numpy.uint8)
    begun = now()
    refs = [ray.put(small) for _ in range(2000)]
    puts = len(refs) / (now() - begun)
    gets = ray.get(holder.get_all.remote(refs))
    return {
        "getUs": get_us,
        "putGbPerSecond": rate,
        "putsPerSecond": puts,
        "getsPerSecond": gets,
    }


SECTIONS = {
    "calls": calls,
    "latency": latency,
    "n-n": n_n,
    "create": create,
    "start": start,
    "tasks": tasks,
    "queue": queue,
    "objects": objects,
    "killed": killed,
}

if __name__ == "__main__":
    section = sys.argv[1]
    if section != "start":
        options = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}
        ray.init(address="local", **options)
    print(json.dumps(SECTIONS[section]()), flush=True)
    ray.shutdown()
