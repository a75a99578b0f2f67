"""Computes without end in PROCESSES processes."""
import multiprocessing
import sys


def spin():
    value = 1
    while True:
        value = value * 31 % 1000003


for _ in range(int(sys.argv[1]) - 1):
    multiprocessing.Process(target=spin, daemon=True).start()
spin()
