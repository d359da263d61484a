"""The figures of Python's own pools: one JSON object of numbers."""

import json
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, wait

BURST = 20_000


def inc(n):
    return n + 1


def median(runs, run):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def same(value):
    return value


def drain(queue):
    while queue.get() is not None:
        pass


def fill(queue):
    process = multiprocessing.Process(target=drain, args=(queue,))
    process.start()
    for i in range(100_000):
        queue.put(i)
    queue.put(None)
    process.join()


def start():
    with multiprocessing.Pool(2) as pool:
        pool.apply(inc, (1,))


if __name__ == "__main__":
    figures = {}
    with multiprocessing.Pool(2) as pool:
        pool.map(inc, range(1000))
        figures["burst"] = median(
            3, lambda: [r.get() for r in [pool.apply_async(inc, (i,)) for i in range(BURST)]]
        ) * 1000 / BURST
        figures["single"] = median(3, lambda: [pool.apply(inc, (i,)) for i in range(2000)]) / 2
        million = list(range(1_000_000))
        figures["million"] = median(5, lambda: pool.map(inc, million))
        figures["imap"] = median(3, lambda: list(pool.imap(inc, range(20_000)))) / 20
        echo = bytes(64_000_000)
        figures["echo"] = median(3, lambda: pool.apply(same, (echo,)))
    with ProcessPoolExecutor(2) as executor:
        list(executor.map(inc, range(100)))
        figures["burstSubmit"] = median(
            3, lambda: wait([executor.submit(inc, i) for i in range(BURST)])
        ) * 1000 / BURST
        figures["singleSubmit"] = median(3, lambda: [executor.submit(inc, i).result() for i in range(2000)]) / 2
    figures["start"] = median(5, start)
    figures["queue"] = median(3, lambda: fill(multiprocessing.Queue())) / 100
    print(json.dumps(figures))
