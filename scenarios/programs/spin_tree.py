# Forks twice in two generations; the leaves compute, the others wait. Argument: generations.
import os, sys

for _ in range(int(sys.argv[1])):
    left = os.fork()
    right = os.fork() if left else 1
    if left and right:
        os.wait()
        os._exit(0)
n = 0
while True:
    n += 1
