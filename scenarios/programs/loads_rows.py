# Reads ROWS rows at RATE bytes a second into a list, then answers questions about it for the rest of its life.
import sys, time

rate, total = float(sys.argv[1]), float(sys.argv[2])
rows = []
while len(rows) * 500 < total:
    rows.extend({"id": n, "name": "n" * 150} for n in range(int(rate / 500 / 10)))
    time.sleep(0.1)
while True:
    sum(row["id"] for row in rows[:: max(1, len(rows) // 5000)])
    time.sleep(0.2)
