# Three stages, each a thread behind a queue of its own; work comes by a signal alone, and none comes after the first.
import queue, signal, threading, time

stages = [queue.Queue() for _ in range(3)]

def stage(index):
    while True:
        item = stages[index].get()
        sum(range(100000))
        if index + 1 < len(stages):
            stages[index + 1].put(item)

threads = [threading.Thread(target=stage, args=(n,)) for n in range(3)]
[one.start() for one in threads]
signal.signal(signal.SIGUSR1, lambda *_: stages[0].put(1))
for _ in range(40):
    stages[0].put(1)
    time.sleep(0.3)
[one.join() for one in threads]
