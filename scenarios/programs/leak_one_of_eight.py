# Eight forked workers that compute a little; the sixth keeps what it made. Argument: bytes a second of that one.
import os, sys, time

rate = int(float(sys.argv[1]))
number = next((n for n in range(8) if os.fork() == 0), None)
kept = []
while True:
    sum(i * i for i in range(20000))
    if number == 5:
        kept.append(b"x" * (rate // 5))
    time.sleep(0.2)
