# Four loops that ask with no patience whether something came. Argument: processes.
import os, select, sys

for _ in range(int(sys.argv[1]) - 1):
    if os.fork() == 0:
        break
reader, writer = os.pipe()
while True:
    select.select([reader], [], [], 0)
