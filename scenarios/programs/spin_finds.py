# Three searches over the same text, one after the other in a process each, of a pattern that tries everything.
import multiprocessing, re

def search():
    text = "a" * 26 + "!"
    while True:
        re.search(r"(a|aa)+$", text)

for _ in range(3):
    multiprocessing.Process(target=search).start()
