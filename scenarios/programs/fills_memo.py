# Answers from an lru_cache of ENTRIES places: it fills at RATE bytes a second, then turns over.
import functools, sys, time

rate, entries, size = float(sys.argv[1]), int(sys.argv[2]), 8000

@functools.lru_cache(maxsize=entries)
def parsed(order):
    return [f"{order}:{n}:{'x' * 40}" for n in range(size // 100)]

order = 0
while True:
    for _ in range(max(1, int(rate / size / 20))):
        parsed(order)
        order += 1
    time.sleep(0.05)
