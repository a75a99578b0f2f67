"""Memory runs out in a unit with a limit, with swap and without: who takes it is killed before the kernel kills anybody,
not before its swap is used up, and who only holds memory beside it lives. usage: memory.py BINARY [ROUNDS]

Prints one JSON object; exit code 0 if all holds. The times are those of a slow machine.
"""
import json, os, sys, time
from pathlib import Path

from scene import ROOT, Homeostat, call, say, until

UNIT = "scene-room.service"
FOLDER = Path("/sys/fs/cgroup/system.slice") / UNIT
LIMIT_MIB, SWAP_MIB = 128, 96
RATES_MIB_S = [10, 40]
# Takes so many MiB a second until it has so many, from the moment on at which the file is there.
TAKER = """
import os, sys, time
rate, most, go = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
while not os.path.exists(go):
    time.sleep(0.02)
began, blocks = time.monotonic(), []
while True:
    if len(blocks) < most:
        blocks.append(b"\\1" * (1 << 20))
    time.sleep(max(0.0 if len(blocks) < most else 0.5, len(blocks) / rate - (time.monotonic() - began)))
"""
# The guard lets ten actions a minute through; a freeze and a kill are two.
PACE_S = 13
CHECKS, TOOK_MS = {}, {}


def check(name, holds, detail=""):
    CHECKS[name] = bool(holds)
    say("ok  " if holds else "FAIL", name, "" if holds else str(detail).strip()[:400])


def number(name):
    """A figure of the unit's cgroup; 0 once that is gone."""
    try:
        return int((FOLDER / name).read_text())
    except OSError:
        return 0


def lives(pid):
    """Whether a process runs; one that ended may wait for its parent for ever."""
    file = Path(f"/proc/{pid}/stat")
    return file.exists() and file.read_text().rsplit(")", 1)[1].split()[0] not in "ZX"


def kernel_kills():
    """What the kernel's own killer said since boot: a unit that it struck is gone, with all counters."""
    return [line for line in call("dmesg").splitlines() if "Killed process" in line]


class Room:
    """A unit with a limit: one process that holds a third of it, one that takes so many MiB a second when told to."""

    def __init__(self, homeostat, rate, most, swap_mib):
        self.homeostat, self.swap_mib, self.go = homeostat, swap_mib, ROOT / "go"
        self.go.unlink(missing_ok=True)
        taker, told = ROOT / "taker.py", ROOT / "pid"
        taker.write_text(TAKER)
        script = f"python3 {taker} {rate} {most} {self.go} & echo $! > {told}; exec python3 {taker} 1000 {LIMIT_MIB // 3} /"
        call("systemd-run", "--quiet", f"--unit={UNIT}", "-p", f"MemoryMax={LIMIT_MIB}M",
             "-p", f"MemorySwapMax={swap_mib}M", "-p", "OOMPolicy=continue", "/bin/sh", "-c", script)
        where = f"SELECT path FROM cgroups WHERE path = '/system.slice/{UNIT}' AND memory_max IS NOT NULL"
        self.is_seen = until(60, lambda: homeostat.rows(where))
        time.sleep(2)
        self.taker, self.began_ns = int(told.read_text()), time.time_ns()

    def run_out(self, limit_s):
        """When a twentieth was left, as far as it came; waits until the taker is gone or the time is up."""
        self.go.touch()
        total = (LIMIT_MIB + self.swap_mib) << 20
        over_ns, end = None, time.monotonic() + limit_s
        while lives(self.taker) and time.monotonic() < end:
            used = number("memory.current") + number("memory.swap.current")
            if over_ns is None and used >= total - (LIMIT_MIB << 20) // 20:
                over_ns = time.time_ns()
            time.sleep(0.002)
        return over_ns

    def chosen(self):
        sql = f"SELECT pid, at FROM memory_victims WHERE is_chosen AND at > {self.began_ns} ORDER BY at"
        return self.homeostat.rows(sql)

    def close(self):
        call("systemctl", "stop", UNIT, check=False)
        call("systemctl", "reset-failed", UNIT, check=False)


def exhaust(homeostat, name, rate, swap_mib):
    room = Room(homeostat, rate, 10_000, swap_mib)
    check(f"{name}: the unit is seen", room.is_seen)
    over_ns = room.run_out(120)
    chosen = until(15, room.chosen) or []
    swapped = number("memory.swap.current")
    check(f"{name}: who takes it was chosen, and nobody else", [row["pid"] for row in chosen] == [room.taker], chosen)
    check(f"{name}: it is gone", not lives(room.taker))
    check(f"{name}: who holds lives", call("systemctl", "is-active", UNIT, check=False).strip() == "active")
    check(f"{name}: the kernel killed nobody", not kernel_kills(), kernel_kills())
    call("dmesg", "--clear")
    if chosen:
        # One that was decided on before it was over never came so far.
        took_ms = max(0.0, (chosen[0]["at"] - (over_ns or chosen[0]["at"])) / 1e6)
        TOOK_MS.setdefault("swap" if swap_mib else "no swap", []).append(took_ms)
        say(f"{name}: decided {took_ms:.1f} ms after a twentieth was left; {swapped >> 20} MiB stayed swapped")
    room.close()
    time.sleep(PACE_S)


def fits(homeostat):
    """Half of the swap is used and the taker stops: nobody is in need."""
    room = Room(homeostat, 40, LIMIT_MIB - LIMIT_MIB // 3 + SWAP_MIB // 3, SWAP_MIB)
    room.run_out(30)
    swapped = number("memory.swap.current") >> 20
    check("what fits into swap is left alone", not room.chosen() and lives(room.taker), room.chosen())
    check("it was swapped", swapped > SWAP_MIB // 8, swapped)
    room.close()


def swap_on():
    call("modprobe", "zram")
    Path("/sys/block/zram0/disksize").write_text("512M")
    call("mkswap", "/dev/zram0")
    call("swapon", "/dev/zram0")


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    homeostat = Homeostat(sys.argv[1])
    call("swapoff", "-a")
    homeostat.start("--mode", "heal")
    call("dmesg", "--clear")
    for swap_mib in (0, SWAP_MIB):
        if swap_mib:
            swap_on()
            fits(homeostat)
        for rate in RATES_MIB_S:
            for round in range(rounds):
                exhaust(homeostat, f"{swap_mib} MiB of swap, {rate} MiB/s, {round + 1}", rate, swap_mib)
    figures = {name: {"memory_to_decision_p50_ms": sorted(took)[len(took) // 2], "memory_to_decision_max_ms": max(took)}
               for name, took in TOOK_MS.items()}
    print(json.dumps({"figures": figures, "checks": CHECKS, "failed": [name for name, ok in CHECKS.items() if not ok]}))
    sys.exit(0 if all(CHECKS.values()) else 1)


if __name__ == "__main__":
    main()
