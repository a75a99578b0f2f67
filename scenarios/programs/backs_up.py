# A nightly backup holds the lock of the store for HOLD seconds, sleeping between blocks; two writers wait for it meanwhile,
# and one of them holds a lock for which a reader waits.
import sys, threading, time

store, index, hold = threading.Lock(), threading.Lock(), float(sys.argv[1])

def writes():
    while True:
        with index:
            with store:
                sum(range(20000))
        time.sleep(0.1)

def reads():
    while True:
        with index:
            sum(range(10000))
        time.sleep(0.1)

for one in (writes, writes, reads):
    threading.Thread(target=one, daemon=True).start()
while True:
    time.sleep(12)
    with store:
        time.sleep(hold)
