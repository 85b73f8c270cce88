"""Pools of two workers: WHAT (single, chunked, apply, large, heavy, flat, memory, idle) LIBRARY (pool, futures, loky, mpire) COUNT."""

import glob
import importlib
import json
import multiprocessing
import os
import signal
import statistics
import sys
import time

WORKERS = 2
MIB = 1 << 20
PAGE = 4096


def add_one(n):
    return n + 1


def is_whole(block):
    return len(block) == MIB and sum(block[::PAGE]) == MIB // PAGE


def answer(block):
    return block if is_whole(block) else b""


def compute(rounds):
    state = rounds
    for n in range(rounds * 10):
        state = (state * 6364136223846793005 ^ n) & 0xFFFFFFFF
    return state


class Standard:
    """multiprocessing.Pool with the fork method."""

    def __init__(self):
        self.pool = multiprocessing.get_context("fork").Pool(WORKERS)

    def single(self, function, items):
        return self.pool.map(function, items, chunksize=1)

    def chunked(self, function, items):
        return self.pool.map(function, items)

    def large(self, function, items):
        return self.pool.imap_unordered(function, items)

    def apply(self, function, argument):
        return self.pool.apply(function, (argument,))


class Executor:
    """concurrent.futures' executor, and those with the same methods."""

    def __init__(self, executor):
        self.executor = executor

    def single(self, function, items):
        return self.executor.map(function, items, chunksize=1)

    large = single

    def chunked(self, function, items):
        return self.executor.map(function, items, chunksize=100)

    def apply(self, function, argument):
        return self.executor.submit(function, argument).result()


class Mpire:
    """mpire's pool, whose workers stay."""

    def __init__(self, module):
        self.pool = module.WorkerPool(n_jobs=WORKERS, keep_alive=True)

    def single(self, function, items):
        return self.pool.map(function, items, chunk_size=1)

    large = single

    def chunked(self, function, items):
        return self.pool.map(function, items)

    def apply(self, function, argument):
        return self.pool.apply(function, (argument,))


def make(library):
    if library == "pool":
        return Standard()
    if library == "futures":
        from concurrent.futures import ProcessPoolExecutor

        return Executor(ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("fork")))
    try:
        module = importlib.import_module(library)
    except ImportError:
        return None
    return Mpire(module) if library == "mpire" else Executor(module.get_reusable_executor(WORKERS))


def expect(found, expected):
    if found != expected:
        sys.exit(f"the result is {found}, it should be {expected}")


def add_all(run, count):
    expect(sum(run(add_one, range(count))), count * (count + 1) // 2)


def rate(run, count):
    add_all(run, count // 10)
    start = time.perf_counter()
    add_all(run, count)
    return count / (time.perf_counter() - start) / 1e6


def latency(run, count):
    times = []
    for n in range(count // 10 + count):
        start = time.perf_counter()
        expect(run(add_one, n), n + 1)
        times.append(time.perf_counter() - start)
    return statistics.median(times[count // 10 :]) * 1e6


def send_blocks(run, count):
    block = b"\x01" * MIB
    expect(sum(is_whole(answered) for answered in run(answer, [block] * count)), count)


def throughput(run, count):
    send_blocks(run, 100)
    start = time.perf_counter()
    send_blocks(run, count)
    return 2 * count * MIB / (time.perf_counter() - start) / 1e9


def scaling(run, count):
    tasks = [1000] * count
    list(run(compute, [1000] * 20))
    start = time.perf_counter()
    expected = [compute(task) for task in tasks]
    middle = time.perf_counter()
    found = list(run(compute, tasks))
    end = time.perf_counter()
    expect(found, expected)
    cores = min(WORKERS, len(os.sched_getaffinity(0)))
    return 100 * (middle - start) / (end - middle) / cores


def flat(run, size):
    jobs = -(-500_000 // size)
    add_all(run, min(size, 100_000))
    start = time.perf_counter()
    for _ in range(jobs):
        add_all(run, size)
    return (time.perf_counter() - start) / (jobs * size) * 1e9


def family():
    pids = [str(os.getpid())]
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/children"):
            with open(path) as file:
                pids += file.read().split()
    return pids


def memory(run, _count):
    add_all(run, 100)
    time.sleep(0.2)
    kibibytes = 0
    for pid in family():
        with open(f"/proc/{pid}/smaps_rollup") as file:
            kibibytes += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return kibibytes / 1024


def on_processor(pids):
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            if path.split("/")[4] != str(os.getpid()):
                with open(path) as file:
                    total += int(file.read().split()[0])
    return total


def idle(run, _count):
    add_all(run, 100)
    time.sleep(0.2)
    pids, start = family(), time.perf_counter()
    before = on_processor(pids)
    time.sleep(0.5)
    return (on_processor(pids) - before) / 1e3 / (time.perf_counter() - start)


MEASURES = {
    "single": ("single", rate),
    "chunked": ("chunked", rate),
    "apply": ("apply", latency),
    "large": ("large", throughput),
    "heavy": ("chunked", scaling),
    "flat": ("chunked", flat),
    "memory": ("chunked", memory),
    "idle": ("chunked", idle),
}


def main():
    what, library, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    pool = make(library)
    if pool is None:
        print(json.dumps({"skipped": f"this Python has no {library}"}))
        return
    name, measure = MEASURES[what]
    figure = measure(getattr(pool, name), count)
    print(json.dumps({"value": figure}), flush=True)
    # How long a pool takes to end is not measured here, and not every one does.
    for pid in family()[1:]:
        os.kill(int(pid), signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
