"""A person's orders on a machine with systemd: what is ours to change is changed and taken back, what is protected is
refused, and what stands when the daemon, or all of Homeostat, is killed is settled by whoever comes next.

usage: hands.py BINARY. Prints one JSON object of checks; exit code 0 if all hold.
"""
import json, os, signal, sys
from pathlib import Path

from scene import RUN_UNIT, Homeostat, Service, call, say, show, until

CGROUPS = Path("/sys/fs/cgroup")
PROTECTED_UNITS = ["dbus", "systemd-journald", "systemd-logind", "systemd-udevd", "serial-getty@ttyS0", "ssh"]
CHECKS = {}


def check(name, holds, detail=""):
    CHECKS[name] = bool(holds)
    say("ok  " if holds else "FAIL", name, "" if holds else str(detail).strip()[:400])


def orders(homeostat, service):
    """Every cell of a cgroup or process that may be changed, there and back."""
    folder = CGROUPS / "system.slice" / service.unit
    where = f"WHERE path = '/system.slice/{service.unit}'"
    read = lambda name: (folder / name).read_text().strip()
    said = homeostat.say("sql", f"UPDATE cgroups SET memory_high = memory_bytes * 2 {where}")
    check("memory_high is set", read("memory.high") != "max", said)
    high = read("memory.high")
    call("systemctl", "daemon-reload")
    call("systemctl", "restart", "vm-neighbour")
    check("it outlives what systemd does for others", read("memory.high") == high, read("memory.high"))
    call("systemctl", "restart", service.unit)
    check("it outlives a restart of its unit", read("memory.high") == high, read("memory.high"))
    said = homeostat.say("sql", f"UPDATE cgroups SET memory_high = NULL {where}")
    check("memory_high is taken back", read("memory.high") == "max", said)
    said = homeostat.say("sql", f"UPDATE cgroups SET is_frozen = 1 {where}")
    check("the unit is frozen", read("cgroup.freeze") == "1" and not service.ask(), said)
    said = homeostat.say("sql", f"UPDATE cgroups SET is_frozen = 0 {where}")
    check("the unit runs again", read("cgroup.freeze") == "0" and until(10, service.ask), said)
    said = homeostat.say("sql", f"UPDATE cgroups SET cpu_weight = 20 {where}")
    pid = show(service.unit, "MainPID")
    until(10, lambda: homeostat.rows(f"SELECT pid FROM processes WHERE pid = {pid}"))
    weight = lambda: (folder / "cpu.weight").exists() and read("cpu.weight") == "20"
    group = lambda: Path(f"/proc/{pid}/autogroup").read_text().strip()
    check("it weighs less", weight() or not group().endswith("nice 0"), said + group())
    said = homeostat.say("undo", "--all")
    check("it weighs as before", not weight() and group().endswith("nice 0"), said + group())
    said = homeostat.say("sql", f"UPDATE processes SET nice = 7 WHERE pid = {pid}")
    nice = lambda: os.getpriority(os.PRIO_PROCESS, int(pid))
    check("nice is set", nice() == 7, said)
    homeostat.say("undo", "--all")
    check("nice is taken back", nice() == 0)
    said = homeostat.say("sql", f"UPDATE services SET back_off_s = 30 WHERE name = '{service.unit}'")
    check("the unit backs off", show(service.unit, "RestartUSec") == "30s", said)
    homeostat.say("undo", "--all")
    check("the unit starts as before", show(service.unit, "RestartUSec") == "500ms")
    left = list(Path("/run/systemd/system").glob("*.d/90-homeostat*"))
    left += Path("/run/systemd/system.control").glob(f"{service.unit}.d/*")
    check("no drop-in is left", not left, left)


def refusals(homeostat):
    """Nobody may change what carries the machine, or us."""
    units = [f"{name}.service" for name in PROTECTED_UNITS] + ["init.scope", RUN_UNIT]
    for unit in units:
        path = show(unit, "ControlGroup")
        pids = [int(pid) for pid in (CGROUPS / path.strip("/") / "cgroup.procs").read_text().split()] if path else []
        if not pids and unit != RUN_UNIT:
            say("--  ", unit, "does not run here")
            continue
        for cell in ("is_frozen = 1", "memory_high = memory_bytes * 2", "cpu_weight = 20"):
            said = homeostat.say("sql", f"UPDATE cgroups SET {cell} WHERE path = '{path}'")
            # Without the controller there is no weight to change, whoever is asked for.
            has_file = "weight" not in cell or (CGROUPS / path.strip("/") / "cpu.weight").exists()
            check(f"{unit}: {cell} is refused", ("is protected" if has_file else "refused") in said, said)
        for pid in pids[:1]:
            said = homeostat.say("sql", f"UPDATE processes SET nice = 5 WHERE pid = {pid}")
            check(f"{unit}: nice of {pid} is refused", "is protected" in said, said)
        if unit.endswith(".service"):
            said = homeostat.say("sql", f"UPDATE services SET back_off_s = 100 WHERE name = '{unit}'")
            check(f"{unit}: back_off_s is refused", "is protected" in said, said)
        check(f"{unit}: it is not frozen", (CGROUPS / path.strip("/") / "cgroup.events").read_text().find("frozen 0") > 0
              or unit == "init.scope")
    said = homeostat.say("sql", "UPDATE cgroups SET is_frozen = 1 WHERE path = '/system.slice'")
    check("a slice with protected units is refused", "is protected" in said, said)
    kernel = call("pgrep", "-o", "kthreadd").split()[0]
    said = homeostat.say("sql", f"UPDATE processes SET nice = 5 WHERE pid = {kernel}")
    check("a kernel thread is refused", "is protected" in said, said)


def deaths(homeostat, service):
    """An effect stands; the daemon is killed, then keeper and daemon."""
    file = CGROUPS / "system.slice" / service.unit / "memory.high"
    where = f"WHERE path = '/system.slice/{service.unit}'"
    # systemd writes all limits anew when it switches a controller on or off for a slice, as it does when our delegated
    # cgroup comes or goes. Somebody else's keeps the controllers on, so that only deaths are seen here.
    call("systemd-run", "--quiet", "--unit=scene-delegate", "-p", "Delegate=yes", "sleep", "infinity")
    leases = lambda: [row["action"] for row in homeostat.rows("SELECT action FROM leases")]
    for who in ("daemon", "keeper and daemon"):
        said = homeostat.say("sql", f"UPDATE cgroups SET memory_high = memory_bytes * 2 {where}")
        check(f"{who}: memory_high stands", file.read_text().strip() != "max", said)
        keeper, daemon = homeostat.pids()
        if who == "daemon":
            os.kill(daemon, signal.SIGKILL)
            until(60, lambda: '"turn"' in homeostat.say("status", "--json"))
            check("daemon: its keeper is the same", homeostat.pids()[0] == keeper and homeostat.pids()[1] != daemon)
        else:
            for pid in (keeper, daemon):
                os.kill(pid, signal.SIGKILL)
            until(30, lambda: show(RUN_UNIT, "ActiveState") != "active")
            call("systemctl", "reset-failed", RUN_UNIT, check=False)
            homeostat.start("--mode", "advise")
        check(f"{who}: the next one knows the lease", leases() == ["throttle_memory"], leases())
        said = homeostat.say("undo", "--all")
        check(f"{who}: it is taken back", file.read_text().strip() == "max" and not leases(), said)


def main():
    homeostat, service = Homeostat(sys.argv[1]), Service("amber-api", "rust", 18000)
    service.install(sys.argv[1])
    call("systemctl", "daemon-reload")
    service.start()
    homeostat.start("--mode", "advise")
    call("systemd-run", "--quiet", "--unit=vm-neighbour", "sleep", "infinity")
    check("doctor runs", "set_nice" in (doctor := homeostat.say("doctor")))
    print(doctor, file=sys.stderr)
    until(30, lambda: homeostat.rows(f"SELECT name FROM services WHERE name = '{service.unit}'"))
    row = homeostat.rows(f"SELECT * FROM services WHERE name = '{service.unit}'")[0]
    check("the services row is right", row["manager"] == "systemd" and row["state"] == "running"
          and row["cgroup"] == f"/system.slice/{service.unit}" and str(row["main_pid"]) == show(service.unit, "MainPID"), row)
    orders(homeostat, service)
    refusals(homeostat)
    homeostat.say("undo", "--all")
    deaths(homeostat, service)
    call("systemctl", "stop", RUN_UNIT)
    print(json.dumps({"checks": CHECKS, "failed": [name for name, ok in CHECKS.items() if not ok]}))
    sys.exit(0 if all(CHECKS.values()) else 1)


if __name__ == "__main__":
    main()
