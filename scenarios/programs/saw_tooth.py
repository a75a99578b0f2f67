"""A collector by hand: takes RATE MB/s for PERIOD seconds, gives most of it back, and again."""
import sys
import time

rate, period = float(sys.argv[1]), float(sys.argv[2])
while True:
    young, end = [], time.monotonic() + period
    while time.monotonic() < end:
        young.append(b"x" * int(rate * 1e5))
        time.sleep(0.1)
    del young
