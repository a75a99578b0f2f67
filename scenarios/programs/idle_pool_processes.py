# A pool of processes that wait for work at locks that they share, and get some every ten seconds.
import multiprocessing, time

def work(n):
    time.sleep(0.05)
    return n

if __name__ == "__main__":
    with multiprocessing.Pool(4) as pool:
        while True:
            pool.map(work, range(8))
            time.sleep(10)
