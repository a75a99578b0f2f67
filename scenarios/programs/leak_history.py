"""Keeps the history of a measurement as a list of dicts, a few thousand a second, and never trims it."""
import sys
import time

per_s, level_s = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
history = []
time.sleep(level_s)
while True:
    for _ in range(per_s // 10):
        history.append({"at": time.time(), "value": len(history), "unit": "x" * 200})
    time.sleep(0.1)
