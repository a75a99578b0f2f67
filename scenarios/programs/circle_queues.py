# Two stages that hand work to each other over queues of bounded length: both are full. Argument: seconds before.
import queue, sys, threading, time

def stage(own, other):
    end = time.time() + float(sys.argv[1])
    while True:
        item = own.get()
        time.sleep(0.02)
        other.put(item)
        if time.time() > end:
            other.put(item)

a, b = queue.Queue(4), queue.Queue(4)
threads = [threading.Thread(target=stage, args=pair) for pair in ((a, b), (b, a))]
[one.start() for one in threads]
a.put(1), b.put(1)
[one.join() for one in threads]
