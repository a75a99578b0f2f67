# Two accounts, each with a lock of its own; transfers in both directions take them in the order in which they come.
# HOW: `plain` and `reentrant` locks in threads that main joins, `timer` with a main thread that prints now and then,
# `pool` for threads of an executor.
import concurrent.futures, sys, threading, time

how, onset = sys.argv[1], time.monotonic() + float(sys.argv[2])

class Account:
    def __init__(self):
        self.lock = threading.RLock() if how == "reentrant" else threading.Lock()
        self.balance = 1000

    def move(self, other, amount):
        with self.lock:
            time.sleep(0.02 if time.monotonic() > onset else 0)
            self.balance -= amount
            other.receive(amount)

    def receive(self, amount):
        self.lock.acquire()
        try:
            self.balance += amount
        finally:
            self.lock.release()

left, right = Account(), Account()

def transfers(one, other):
    while True:
        first, second = sorted((one, other), key=id) if time.monotonic() < onset else (one, other)
        first.move(second, 1)
        sum(range(3000))
        time.sleep(0.03)

pairs = [(left, right), (right, left)]
if how == "pool":
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(transfers, *pair) for pair in pairs]
        [job.result() for job in jobs]
threads = [threading.Thread(target=transfers, args=pair, daemon=how == "timer") for pair in pairs]
[one.start() for one in threads]
while how == "timer":
    time.sleep(2)
[one.join() for one in threads]
