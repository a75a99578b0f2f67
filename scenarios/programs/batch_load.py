"""A batch: reads a file of SIZE MB piece by piece into memory for SECONDS, sums it up, ends; again after a pause."""
import os
import sys
import tempfile
import time

size, seconds = int(sys.argv[1]), float(sys.argv[2])
with tempfile.TemporaryFile() as file:
    file.write(os.urandom(1 << 20) * size)
    for _ in range(3):
        file.seek(0)
        rows = []
        for _ in range(size):
            rows.append(file.read(1 << 20))
            time.sleep(seconds / size)
        sum(len(row) for row in rows)
        del rows
        time.sleep(10)
while True:
    time.sleep(60)
