# Does its work with a pool of threads, then keeps what it made until somebody tells it to end: all threads sleep at locks.
import concurrent.futures, signal, threading, time

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
pool = concurrent.futures.ThreadPoolExecutor(4)
end = time.time() + 15
while time.time() < end:
    list(pool.map(lambda n: sum(range(n)), [20000] * 8))
    time.sleep(0.2)
stop.wait()
