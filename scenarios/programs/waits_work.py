# Workers that wait at a queue for work which comes from the standard input of their parent: nobody sends any for long.
import queue, threading, time, socket, sys

work = queue.Queue()
def worker():
    while True:
        work.get()
        sum(range(200000))

threads = [threading.Thread(target=worker, daemon=True) for _ in range(4)]
[one.start() for one in threads]
ours, theirs = socket.socketpair()
def feeds():
    for _ in range(30):
        theirs.send(b"x")
        time.sleep(0.5)
    time.sleep(1e6)
threading.Thread(target=feeds, daemon=True).start()
while ours.recv(1):
    work.put(1)
