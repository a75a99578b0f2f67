"""Workers that wait at an empty queue after a busy start; the main thread waits for an event that ends the program."""
import queue
import threading
import time

jobs, done = queue.Queue(), threading.Event()


def work():
    while True:
        jobs.get()
        sum(range(200_000))


for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
for _ in range(150):
    jobs.put(1)
    time.sleep(0.1)
done.wait()
