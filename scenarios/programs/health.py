# A monitor that runs a check of its own each two seconds; it says no with code 2 for as long as nobody listens. Argument: port.
import subprocess, sys, time

check = "import socket, sys\ntry: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1)\nexcept OSError: print('CRITICAL'); sys.exit(2)"
while True:
    subprocess.run([sys.executable, "-c", check, sys.argv[1]], stdout=subprocess.DEVNULL)
    time.sleep(2)
