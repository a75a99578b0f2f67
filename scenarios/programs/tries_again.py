# A client that is started anew with longer and longer pauses until its server is there; then it works. Argument: seconds.
import subprocess, sys, time

end, pause = time.time() + float(sys.argv[1]), 0.5
code = "import sys, time\nif time.time() < float(sys.argv[1]): sys.exit('refused')\ntime.sleep(1000)"
while subprocess.call([sys.executable, "-c", code, str(end)], stderr=subprocess.DEVNULL):
    time.sleep(pause)
    pause = min(2 * pause, 8)
