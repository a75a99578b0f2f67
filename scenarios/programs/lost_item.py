# Three threads hand work on through conditions; after ONSET seconds one waits for a notice that was given before it waited.
import sys, threading, time

onset = time.monotonic() + float(sys.argv[1])
ready, done, items = threading.Condition(), threading.Condition(), []

def makes():
    while True:
        with ready:
            items.append(1)
            time.sleep(0.03)
            if time.monotonic() < onset:
                ready.notify()
        with done:
            done.wait(0.5 if time.monotonic() < onset else None)

def takes():
    while True:
        with ready:
            ready.wait(0.5 if time.monotonic() < onset else None)
            items.clear()
        sum(range(50000))
        with done:
            done.notify()

threads = [threading.Thread(target=one) for one in (makes, takes)]
[one.start() for one in threads]
[one.join() for one in threads]
