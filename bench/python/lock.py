"""Acquire, add 1, release: KIND (Lock or RLock) PROCESSES (1 or 2) TIMES_EACH."""

import json
import multiprocessing
import sys
import time


def half(lock, number, ready, times):
    with ready.get_lock():
        ready.value += 1
    while ready.value < ready_when(number):
        pass
    acquire, release = lock.acquire, lock.release
    start = time.perf_counter()
    for _ in range(times):
        acquire()
        number[0] += 1
        release()
    return start


def ready_when(number):
    return number[1]


def main():
    kind, processes, times = sys.argv[1], *map(int, sys.argv[2:])
    context = multiprocessing.get_context("fork")
    lock = getattr(context, kind)()
    number, ready = context.RawArray("Q", [0, processes]), context.Value("i", 0)
    others = [context.Process(target=half, args=(lock, number, ready, times)) for _ in range(processes - 1)]
    for other in others:
        other.start()
    start = half(lock, number, ready, times)
    for other in others:
        other.join()
    seconds = time.perf_counter() - start
    if number[0] != processes * times:
        sys.exit(f"the sum is {number[0]}, it should be {processes * times}")
    print(json.dumps({"value": seconds / times * 1e9 if processes == 1 else processes * times / seconds / 1e6}))


if __name__ == "__main__":
    main()
