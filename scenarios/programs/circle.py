"""Two threads of a worker take two locks in opposite order; nobody talks to it. MAIN says what the main thread does."""
import sys
import threading
import time

main, onset = sys.argv[1], float(sys.argv[2])
accounts, audit = threading.Lock(), threading.Lock()


def transfer(first, second):
    end = time.monotonic() + onset
    while time.monotonic() < end:
        sum(range(20000))
        time.sleep(0.05)
    with first:
        time.sleep(0.5)
        with second:
            pass


threads = [
    threading.Thread(target=transfer, args=(accounts, audit)),
    threading.Thread(target=transfer, args=(audit, accounts)),
]
for one in threads:
    one.start()
while main == "beats":
    time.sleep(1)
for one in threads:
    one.join()
