"""A dict in a Manager: WHAT (set, get) CLIENTS (1 or 2) TIMES_EACH. Prints operations a second, of all clients together."""

import json
import multiprocessing
import sys
import time


def work(shared, what, times):
    for number in range(times // 10):
        shared[number % 100] = number
    start = time.perf_counter()
    if what == "set":
        for number in range(times):
            shared[number % 100] = number
    else:
        for number in range(times):
            shared[number % 100]
    return start


def client(shared, what, times, ready):
    ready.wait()
    work(shared, what, times)


def main():
    what, clients, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    manager = multiprocessing.Manager()
    shared = manager.dict({number: 0 for number in range(100)})
    if clients == 1:
        seconds = -work(shared, what, times) + time.perf_counter()
    else:
        ready = multiprocessing.Barrier(clients + 1)
        processes = [multiprocessing.Process(target=client, args=(shared, what, times, ready)) for _ in range(clients)]
        for process in processes:
            process.start()
        ready.wait()
        start = time.perf_counter()
        for process in processes:
            process.join()
        seconds = time.perf_counter() - start
    if len(shared) != 100:
        sys.exit(f"the dict has {len(shared)} entries, it should have 100")
    print(json.dumps({"value": clients * times / seconds / 1e3}))


if __name__ == "__main__":
    main()
