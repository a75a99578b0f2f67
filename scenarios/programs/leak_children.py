# Starts a tool over pipes for each job, and neither reads to the end nor closes. Argument: jobs a second.
import subprocess, sys, time

kept = []
while True:
    pipe = subprocess.PIPE
    kept.append(subprocess.Popen(["true"], stdin=pipe, stdout=pipe, stderr=pipe))
    time.sleep(1 / float(sys.argv[1]))
