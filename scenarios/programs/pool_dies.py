# A parent with three workers, each of which ends with code 1 after a while of its own; one more is forked then. Argument: seconds.
import multiprocessing, random, sys, time

def work(seconds):
    time.sleep(random.uniform(0.5, 1.5) * seconds)
    raise ConnectionError("queue is gone")

def start():
    one = multiprocessing.get_context("fork").Process(target=work, args=(float(sys.argv[1]),))
    one.start()
    return one

workers = [start() for _ in range(3)]
while True:
    workers = [one if one.is_alive() else start() for one in workers]
    time.sleep(0.2)
