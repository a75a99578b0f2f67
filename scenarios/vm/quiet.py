"""An idle machine with systemd: nobody is accused of anything. usage: quiet.py BINARY [SECONDS]

Prints one JSON object; exit code 0 if there was no incident.
"""
import json, sys, time

from scene import Homeostat, say


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 600
    homeostat = Homeostat(sys.argv[1])
    homeostat.start("--mode", "heal")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(30, max(0.0, end - time.monotonic())))
        say("incidents:", homeostat.say("incidents", "--json").strip() or "none")
    incidents = homeostat.rows("SELECT * FROM incidents")
    turns = homeostat.rows("SELECT * FROM self")
    print(json.dumps({"seconds": seconds, "incidents": incidents, "self": turns}))
    sys.exit(1 if incidents else 0)


if __name__ == "__main__":
    main()
