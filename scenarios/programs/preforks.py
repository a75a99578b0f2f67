# A master that keeps two workers alive; each dies of a fault after a few seconds. Argument: seconds.
import os, signal, sys, time

def work():
    time.sleep(float(sys.argv[1]))
    os.kill(os.getpid(), signal.SIGSEGV)

for _ in range(2):
    os.fork() or work()
while True:
    os.wait()
    os.fork() or work()
