# A supervisor that waits longer after each failure, half a minute at most. Arguments: program with its arguments.
import subprocess, sys, time

pause = 1
while True:
    start = time.time()
    if subprocess.call(sys.argv[1:]) == 0 or time.time() - start > 60:
        pause = 1
    time.sleep(pause)
    pause = min(2 * pause, 30)
