"""What every scene in a virtual machine needs: services as systemd units, a client of each, Homeostat beside them.

The services are the demo's (`homeostat demo-service RUNTIME PORT FOLDER`), started by systemd and not by Homeostat.
Runs as root in a guest with systemd and cgroup v2. Slow guests are expected: no figure here is a speed.
"""
import collections, json, shutil, socket, string, subprocess, sys, threading, time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = Path("/opt/scene")
STATE = Path("/var/lib/homeostat")
RUN_UNIT = "homeostat-scene.service"


def say(*words):
    """A line for the person who watches; standard output is data."""
    print(f"{time.monotonic() - BEGAN:7.1f} s ", *words, file=sys.stderr, flush=True)


BEGAN = time.monotonic()


def call(*command, check=True):
    """Runs a command and gives its output; both streams in one."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def show(unit, name):
    """One property of a unit, as systemd says it."""
    return call("systemctl", "show", "--value", "-p", name, unit).strip()


def until(limit_s, holds, pause_s=1.0):
    """Waits until `holds()` is true and gives what it gave; what it gave last when the time is up."""
    end = time.monotonic() + limit_s
    while not (value := holds()) and time.monotonic() < end:
        time.sleep(pause_s)
    return value


class Service:
    """One systemd unit, and a client that asks it every second."""

    LATE_S = 2.0

    def __init__(self, name, runtime, port):
        self.name, self.unit, self.runtime, self.port = name, f"{name}.service", runtime, port
        self.folder, self.answers = ROOT / name, collections.deque(maxlen=120)

    def install(self, binary):
        self.folder.mkdir(parents=True, exist_ok=True)
        program = ROOT / "bin" / self.name
        program.parent.mkdir(exist_ok=True)
        shutil.copy(binary, program)
        text = string.Template((HERE / "service.unit").read_text())
        text = text.substitute(program=program, runtime=self.runtime, port=self.port, folder=self.folder)
        Path(f"/etc/systemd/system/{self.unit}").write_text(text)

    def start(self):
        call("systemctl", "start", self.unit)
        threading.Thread(target=self.ask_for_ever, daemon=True).start()

    def ask_for_ever(self):
        while True:
            at = time.monotonic()
            ok = self.ask()
            self.answers.append((at, time.monotonic() - at if ok else None))
            time.sleep(max(0.0, 1.0 - (time.monotonic() - at)))

    def ask(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), self.LATE_S) as peer:
                peer.settimeout(self.LATE_S)
                peer.sendall(b"get\n")
                return peer.recv(64).startswith(b"ok")
        except OSError:
            return False

    def usual_s(self):
        """The 90th percentile of the last answers: taken before any fault, what is slow in a healthy guest."""
        took = sorted(took for _, took in self.answers if took is not None)
        return took[len(took) * 9 // 10] if took else 0.0

    def serves_since(self, start, limit_s):
        """The instant from which on every answer came, nine in ten of them in time; None if the last is late."""
        since, late, seen = None, 0, 0
        for at, took in list(self.answers):
            if at < start:
                continue
            seen, late = seen + 1, late + (took is None or took > limit_s)
            if took is None or late * 10 > seen + 9:
                since, late, seen = None, 0, 0
            elif since is None:
                since = at
        return since

    def order(self, text):
        """Switches a fault on."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.sendto(text.encode(), str(self.folder / "control"))


class Homeostat:
    """A Homeostat of this scene, run by systemd as it is after `homeostat install`."""

    def __init__(self, binary):
        self.binary = ROOT / "bin/homeostat"
        self.binary.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(binary, self.binary)

    def start(self, *words):
        call("systemd-run", "--quiet", f"--unit={RUN_UNIT}", "-p", "Delegate=yes", "-p", "OOMScoreAdjust=-900",
             "-p", "TasksMax=1024", self.binary, "run", "--state-dir", STATE, *words)
        if not until(60, lambda: '"turn"' in self.say("status", "--json")):
            raise SystemExit(f"homeostat does not come up: {call('journalctl', '-u', RUN_UNIT, '--no-pager')}")

    def say(self, *words):
        return call(self.binary, *words, "--state-dir", STATE, check=False)

    def rows(self, sql):
        text = self.say("sql", "--json", sql)
        try:
            return json.loads(text)
        except ValueError:
            say("no rows:", text.strip()[:200])
            return []

    def pids(self):
        """The keeper, and the daemon below it."""
        keeper = show(RUN_UNIT, "MainPID")
        return int(keeper), int(call("pgrep", "-P", keeper, "-o").split()[0])
