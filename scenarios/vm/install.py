"""`homeostat install` and `uninstall --purge`: a unit that runs, and nothing left afterwards.

usage: install.py BINARY. Prints one JSON object of checks; exit code 0 if all hold.
"""
import json, os, sys
from pathlib import Path

from scene import call, say, show, until

UNIT, BINARY = "homeostat.service", "/usr/local/bin/homeostat"
CHECKS = {}


def check(name, holds, detail=""):
    CHECKS[name] = bool(holds)
    say("ok  " if holds else "FAIL", name, "" if holds else str(detail).strip()[:400])


def traces():
    """Everything on this machine that bears our name."""
    folders = ["/etc/systemd/system", "/run/systemd/system", "/run", "/dev/shm", "/var/lib", "/usr/local/bin", "/etc"]
    found = [str(path) for folder in folders for path in Path(folder).glob("*homeostat*")]
    found += [str(path) for path in Path("/run/systemd/system").glob("*.d/90-homeostat*")]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob("**/*homeostat*")]
    return sorted(found)


def main():
    before = traces()
    os.chmod(sys.argv[1], 0o755)
    said = call(sys.argv[1], "install", check=False)
    until(60, lambda: '"turn"' in call(BINARY, "status", "--json", check=False))
    status = call(BINARY, "status", "--json", check=False)
    check("it runs", '"turn"' in status and show(UNIT, "ActiveState") == "active", said + status)
    check("it is enabled", call("systemctl", "is-enabled", UNIT, check=False).strip() == "enabled")
    check("it changes nothing until told", '"advise"' in status, status)
    check("its tables answer", "1" in call(BINARY, "sql", "--plain", "SELECT 1", check=False))
    check("its state is private", oct(os.stat("/var/lib/homeostat").st_mode)[-3:] == "700")
    first = show(UNIT, "MainPID")
    call("systemctl", "restart", UNIT)
    check("it restarts", until(60, lambda: show(UNIT, "MainPID") != first and '"turn"' in call(BINARY, "status", "--json", check=False)))
    said = call(sys.argv[1], "install", check=False)
    check("a second install is harmless", show(UNIT, "ActiveState") == "active", said)
    said = call(BINARY, "uninstall", "--purge", check=False)
    left = [path for path in traces() if path not in before]
    check("nothing is left", not left, f"{left} {said}")
    check("systemd knows it no more", show(UNIT, "LoadState") == "not-found", show(UNIT, "LoadState"))
    print(json.dumps({"checks": CHECKS, "failed": [name for name, ok in CHECKS.items() if not ok]}))
    sys.exit(0 if all(CHECKS.values()) else 1)


if __name__ == "__main__":
    main()
