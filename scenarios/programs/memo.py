# Parses orders behind an lru_cache of ENTRIES places; without that number it remembers every one, and no order comes twice. RATE bytes a second.
import functools, sys, time

rate, size = float(sys.argv[1]), 8000
entries = int(sys.argv[2]) if len(sys.argv) > 2 else None

@functools.lru_cache(maxsize=entries)
def parsed(order):
    return [f"{order}:{n}:{'x' * 40}" for n in range(size // 100)]

order = 0
while True:
    for _ in range(max(1, int(rate / size / 20))):
        parsed(order)
        order += 1
    time.sleep(max(0.05, size / rate))
