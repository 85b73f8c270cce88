"""Start and join of a trivial process: METHOD WARM_UP MEASURED TOUCHED_BYTES."""

import json
import multiprocessing
import statistics
import sys
import time


def child(n):
    sys.exit(n + 1)


def operation(context):
    process = context.Process(target=child, args=(41,))
    process.start()
    process.join()
    if process.exitcode != 42:
        sys.exit(f"the exit code is {process.exitcode}, it should be 42")


def timed(context):
    start = time.perf_counter()
    operation(context)
    return time.perf_counter() - start


def main():
    method, warm_up, measured, touched = sys.argv[1], *map(int, sys.argv[2:])
    memory = bytearray(b"\x01") * touched
    context = multiprocessing.get_context(method)
    for _ in range(warm_up):
        operation(context)
    times = [timed(context) for _ in range(measured)]
    assert len(memory) == touched
    print(json.dumps({"value": statistics.median(times) * 1e6}))


if __name__ == "__main__":
    main()
