"""Channels: WHAT (stream, pairs, 1mib, 64mib, round-trip, wake, idle) KIND (queue, pipe) COUNT."""

import json
import multiprocessing
import statistics
import sys
import time

MIB = 1 << 20
PAGE = 4096
TRIPS = 100
NAP = 0.002

context = multiprocessing.get_context("fork")


class Queue:
    def __init__(self):
        queue = context.Queue()
        self.send, self.recv = queue.put, queue.get


class Pipe:
    def __init__(self):
        self.receiver, self.sender = context.Pipe(False)
        self.send, self.recv = self.sender.send, self.receiver.recv


class BytesPipe(Pipe):
    def __init__(self):
        super().__init__()
        self.send, self.recv = self.sender.send_bytes, self.receiver.recv_bytes


def fail_unless(good, what):
    if not good:
        sys.exit(what)


def beside(life, *arguments):
    process = context.Process(target=life, args=arguments, daemon=True)
    process.start()
    return process


def rounds(count):
    return [max(count // 10, 8), count]


def small(n):
    return (n, (1 << 64) - 1 - n)


def number(message):
    fail_unless(sum(message) == (1 << 64) - 1, "a message is not whole")
    return message[0]


def look_through(block):
    return sum(block[::PAGE])


def add_up(channel, sums, look, count):
    for count in rounds(count):
        sums.put(sum(look(channel.recv()) for _ in range(count)))


def streamed(channel, messages, look, count, expected):
    """How many seconds it takes to send the messages of the second round."""
    sums = context.SimpleQueue()
    process = beside(add_up, channel, sums, look, count)
    for count in rounds(count):
        start = time.perf_counter()
        for message in messages(count):
            channel.send(message)
        fail_unless(sums.get() == expected(count), "the sum is wrong")
        seconds = time.perf_counter() - start
    process.join()
    return seconds


def stream(kind, count):
    channel = {"queue": Queue, "pipe": Pipe}[kind]()
    messages = lambda count: map(small, range(count))
    return count / streamed(channel, messages, number, count, lambda n: n * (n - 1) // 2) / 1e6


def large(kind, count, size):
    channel = {"queue": Queue, "pipe": BytesPipe}[kind]()
    block = b"\1" * size
    messages = lambda count: (block for _ in range(count))
    return count * size / streamed(channel, messages, look_through, count, lambda n: n * size // PAGE) / 1e9


def pairs(kind, count):
    queue, sums, start = context.Queue(), context.SimpleQueue(), context.Barrier(5)

    def send():
        start.wait()
        for n in range(count):
            queue.put(small(n))
        queue.put(None)

    def receive():
        start.wait()
        total = 0
        while (message := queue.get()) is not None:
            total += number(message)
        sums.put(total)

    processes = [beside(life) for life in (receive, receive, send, send)]
    start.wait()
    began = time.perf_counter()
    total = sums.get() + sums.get()
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    fail_unless(total == count * (count - 1), f"the sum is {total}")
    return 2 * count / seconds / 1e6


def echo(there):
    while True:
        there.send_bytes(there.recv_bytes())


def echoed(here, n):
    block = n.to_bytes(8, "little") * 8
    here.send_bytes(block)
    fail_unless(here.recv_bytes() == block, "something else came back")


def round_trip(kind, count):
    here, there = context.Pipe()
    beside(echo, there)
    for n in range(count // 10):
        echoed(here, n)
    times = []
    for _ in range(-(-count // TRIPS)):
        start = time.perf_counter()
        for n in range(TRIPS):
            echoed(here, n)
        times.append((time.perf_counter() - start) / TRIPS * 1e6)
    return statistics.median(times)


def wake(kind, count):
    here, there = context.Pipe()
    beside(echo, there)
    times = []
    for n in range(count + 10):
        time.sleep(NAP)
        start = time.perf_counter()
        echoed(here, n)
        times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times[10:])


def on_processor(pid):
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0])


def idle(kind, count):
    queue = context.Queue()
    pid = beside(queue.get).pid
    time.sleep(0.2)
    before, start = on_processor(pid), time.perf_counter()
    time.sleep(1)
    return (on_processor(pid) - before) / 1e3 / (time.perf_counter() - start)


def main():
    what, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    measure = {
        "stream": stream,
        "pairs": pairs,
        "1mib": lambda kind, count: large(kind, count, MIB),
        "64mib": lambda kind, count: large(kind, count, 64 * MIB),
        "round-trip": round_trip,
        "wake": wake,
        "idle": idle,
    }[what]
    print(json.dumps({"value": measure(kind, count)}))


if __name__ == "__main__":
    main()
