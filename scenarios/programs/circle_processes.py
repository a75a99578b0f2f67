# Two workers of a pool take two locks that processes share, each in its own order. Argument: seconds before.
import multiprocessing, sys, time

def work(first, second):
    end = time.time() + float(sys.argv[1])
    while time.time() < end:
        time.sleep(0.1)
    with first:
        time.sleep(0.5)
        with second:
            pass

if __name__ == "__main__":
    a, b = multiprocessing.Lock(), multiprocessing.Lock()
    workers = [multiprocessing.Process(target=work, args=pair) for pair in ((a, b), (b, a))]
    [one.start() for one in workers]
    [one.join() for one in workers]
