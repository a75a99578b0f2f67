"""Reads its configuration, which is not there."""
import sys
import time

time.sleep(float(sys.argv[1]))
with open("/nowhere/config.json") as file:
    print(file.read())
