"""The faults of the suite against Ray Data: `with_ray.py FAULT SEED OUTPUT INPUT...` prints JSON.

The job is what a user of Ray Data writes for this: FASTQ files -> a pool of two actors that count
4-mers -> write_parquet. It is struck once, amid its work; when it fails it is run again, as a user
would. Ours to end are the processes that carry this run's mark in their environment.
"""
import collections
import glob
import json
import os
import random
import signal
import subprocess
import sys
import time

MARK = "LIGASE_FAULT_MARK"
BATCH, BLOCK = 256, 512
# Seconds of each phase, longer on a busy machine: until the actors work, until the job must end.
PATIENCE = max(1, os.getloadavg()[0] / os.cpu_count())
START_S, END_S = 60 * PATIENCE, 100 * PATIENCE
RUNS_MAX = 3


def job(output, inputs):
    import numpy as np
    import pyarrow as pa
    import ray
    from ray.data.datasource import FileBasedDatasource

    codes = np.full(256, -1, "i8")
    for code, base in enumerate(b"ACGT"):
        codes[base] = code

    class Fastq(FileBasedDatasource):
        def _read_stream(self, file, path):
            lines = file.readall().split(b"\n")
            name = os.path.basename(path)
            ids = [f"{name} {line[1:].decode()}" for line in lines[0:-1:4]]
            reads = lines[1::4]
            for at in range(0, len(ids), BLOCK):
                part = slice(at, at + BLOCK)
                yield pa.table({"id": ids[part], "read": pa.array(reads[part], pa.binary())})

    class Encoder:
        def __init__(self):
            open(os.path.join(os.environ["LIGASE_FAULT_PIDS"], str(os.getpid())), "w").close()

        def __call__(self, batch):
            rows = []
            for read in batch["read"]:
                c = codes[np.frombuffer(read, np.uint8)]
                words = c[:-3] * 64 + c[1:-2] * 16 + c[2:-1] * 4 + c[3:]
                counts = np.bincount(words[words >= 0], minlength=256).astype("f4")
                rows.append(counts / max(1.0, counts.sum()))
            # About as long as the model of the other side takes for it.
            time.sleep(len(rows) * 1e-4)
            return {"id": batch["id"], "vector": np.stack(rows)}

    ray.init(address="local", include_dashboard=False, num_cpus=4, logging_level="ERROR")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    pool = ray.data.ActorPoolStrategy(size=2)
    read = ray.data.read_datasource(Fastq(inputs))
    read.map_batches(Encoder, batch_size=BATCH, num_cpus=1, compute=pool).write_parquet(output)


def ours():
    """Processes of this run, by pid, with the first word of their command."""
    mark, found = f"{MARK}={os.environ[MARK]}".encode(), {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if int(pid) != os.getpid() and mark in environ.read().split(b"\0"):
                    with open(f"/proc/{pid}/cmdline", "rb") as command:
                        words = command.read().replace(b"\0", b" ")
                        found[int(pid)] = words.decode(errors="replace")
        except OSError:
            continue
    return found


def start(output, inputs):
    with open(f"{output}.log", "a") as log:
        command = [sys.executable, __file__, "job", output, *inputs]
        return subprocess.Popen(command, stdout=log, stderr=log)


def files(output):
    return set(glob.glob(f"{output}/**/*.parquet", recursive=True))


def victims(fault, driver, pids):
    named = {"gcs killed": "gcs_server", "raylet killed": "raylet/raylet"}
    if fault == "driver killed, run again":
        return [driver.pid]
    if fault in named:
        return [pid for pid, command in ours().items() if named[fault] in command.split(" ")[0]]
    return pids[:1]


def strike(fault, driver, chance, output):
    folder = os.environ["LIGASE_FAULT_PIDS"]
    begun = time.time()
    while len(os.listdir(folder)) < 2 or not files(output):
        if driver.poll() is not None or time.time() > begun + START_S:
            return None
        time.sleep(0.05)
    time.sleep(2 * chance.random())
    pids = [int(pid) for pid in os.listdir(folder)]
    chance.shuffle(pids)
    found = victims(fault, driver, pids)
    struck = time.time()
    for pid in found:
        os.kill(pid, signal.SIGSTOP if fault == "worker paused" else signal.SIGKILL)
    if fault == "worker paused":
        time.sleep(6 + 4 * chance.random())
        for pid in found:
            os.kill(pid, signal.SIGCONT)
    return struck if found else None


def next_file(output, before, since, driver):
    """Seconds until one more file of the output stands; None when the job ended before."""
    while driver.poll() is None and time.time() < since + END_S:
        if files(output) - before:
            return time.time() - since
        time.sleep(0.02)
    return time.time() - since if files(output) - before else None


def ended(driver):
    try:
        return driver.wait(END_S)
    except subprocess.TimeoutExpired:
        return "hangs"


def clear():
    while found := ours():
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.1)


def count(output, expected):
    import pyarrow.parquet as pq

    ids, unreadable = collections.Counter(), []
    for path in files(output):
        try:
            ids.update(pq.read_table(path, columns=["id"]).column("id").to_pylist())
        except Exception:
            unreadable.append(os.path.basename(path))
    rows = sum(ids.values())
    lost = max(0, expected - len(ids))
    return {"lost": lost, "doubled": rows - len(ids), "unreadable": unreadable}


def main(fault, seed, output, inputs):
    chance = random.Random(int(seed))
    expected = sum(open(path, "rb").read().count(b"\n") // 4 for path in inputs)
    os.environ[MARK] = f"{os.getpid()}-{seed}"
    os.environ["LIGASE_FAULT_PIDS"] = f"{output}.pids"
    os.makedirs(f"{output}.pids")
    begun, driver = time.time(), start(output, inputs)
    struck = strike(fault, driver, chance, output)
    before = files(output)
    recovery = None if struck is None else next_file(output, before, struck, driver)
    ends = [ended(driver)]
    clear()
    at_end = count(output, expected)
    while ends[-1] != 0 and len(ends) < RUNS_MAX:
        driver = start(output, inputs)
        if recovery is None and struck is not None:
            recovery = next_file(output, before, struck, driver)
        ends.append(ended(driver))
        clear()
    print(json.dumps({
        "fault": fault, "struck": struck is not None, "ends": ends, "recovery": recovery,
        "seconds": time.time() - begun, "afterFault": at_end, **count(output, expected),
    }))


if __name__ == "__main__":
    if sys.argv[1] == "job":
        job(sys.argv[2], sys.argv[3:])
    else:
        main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
