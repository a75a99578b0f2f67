# A scheduler: four jobs, each in a period of its own, all of which end well.
import subprocess, sys, time

jobs = [(2, [sys.executable, "-c", "print(sum(range(200000)))"]), (3, ["sh", "-c", "sleep 0.3; echo done"]),
        (5, ["perl", "-e", "sleep 1"]), (7, ["true"])]
due = [0.0] * len(jobs)
while True:
    for i, (period, command) in enumerate(jobs):
        if time.time() >= due[i]:
            due[i] = time.time() + period
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    time.sleep(0.2)
