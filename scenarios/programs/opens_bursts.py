# Scans a folder of many files: opens BURST at once, reads them, closes them, and rests; and so again.
import os, sys, tempfile, time

burst = int(sys.argv[1])
folder = tempfile.mkdtemp()
names = [os.path.join(folder, str(n)) for n in range(burst)]
for name in names:
    open(name, "w").close()
while True:
    files = []
    for name in names:
        files.append(open(name))
        time.sleep(6 / burst)
    [one.read() for one in files]
    time.sleep(2)
    [one.close() for one in files]
    time.sleep(8)
