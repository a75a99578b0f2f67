# Opens something of KIND a few times a second, RATE in all, and keeps it in a list of things to close later.
import os, socket, sqlite3, subprocess, sys, tempfile, time

kind, rate = sys.argv[1], float(sys.argv[2])
folder = tempfile.mkdtemp()

def child():
    one = subprocess.Popen(["true"], stdout=subprocess.PIPE)
    one.wait()
    return one.stdout

makers = {
    "null": lambda: open(os.devnull, "w"),
    "deleted": lambda: tempfile.TemporaryFile(),
    "sqlite": lambda: sqlite3.connect(os.path.join(folder, "one.db")).execute("PRAGMA user_version").connection,
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "popen": child,
    "listen": lambda: socket.create_server(("127.0.0.1", 0)),
}
later = []
for turn in range(10**9):
    later.append(makers[kind]())
    sum(range(2000))
    time.sleep(1 / rate)
