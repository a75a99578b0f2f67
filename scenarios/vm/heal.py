"""Five systemd units fail in five ways; Homeostat, which did not start them, heals them. Prints one JSON object.

usage: heal.py BINARY [SEED]. Exit code 0 if all five are detected, accused rightly, repaired, and serve their clients
again, and nobody innocent is accused.
"""
import json, random, sys, time

from scene import Homeostat, Service, call, say, show

FAULTS = {
    "memory_leak": ("4000000", {"memory_leak"}),
    "deadlock": ("0", {"deadlock", "stalled"}),
    "cpu_hog": ("3", {"cpu_hog"}),
    "descriptor_leak": ("15", {"descriptor_leak"}),
    "crash_loop": ("6", {"crash_loop"}),
}
NAMES = ["amber-api", "birch-cart", "cedar-feed", "delta-mail", "ember-index", "fjord-relay", "grove-vault"]
HEALTHY_S, APART_S, LIMIT_S, SERVES_S = 45, 20, 240, 10
OWN = {"own_trouble", "collector_stalled"}


class Case:
    """One fault and what became of it. Times are those of this process's clock."""

    def __init__(self, fault, service):
        self.fault, self.service, self.kinds = fault, service, FAULTS[fault][1]
        self.injected = self.detected = self.repaired = self.verified = None
        self.culprit_right, self.incidents, self.before = False, [], ""

    def inject(self):
        self.injected, self.before = time.monotonic(), show(self.service.unit, "InvocationID")
        self.service.order(f"{self.fault} {FAULTS[self.fault][0]}")
        say(f"{self.fault} injected into {self.service.unit}")

    def take(self, row):
        now = time.monotonic()
        if row["id"] not in self.incidents:
            self.incidents.append(row["id"])
            say(f"#{row['id']} {row['sentence']}")
        is_right = row["kind"] in self.kinds
        self.detected = self.detected or (now if is_right else None)
        self.culprit_right |= is_right
        if row["state"] == "repaired" and is_right and not self.repaired:
            self.repaired = now
            say(f"{self.service.unit} is repaired, says Homeostat")

    def verify(self, bystander, usual_s):
        """Whether the clients agree: of a hog, also that of a service without a fault, which it hurt."""
        if not self.repaired or self.verified:
            return
        asked = [self.service, bystander] if self.fault == "cpu_hog" else [self.service]
        now = time.monotonic()
        since = [one.serves_since(self.repaired - 8, max(6 * usual_s[one.name], 0.25)) for one in asked]
        if all(at is not None and now - at >= SERVES_S for at in since):
            self.verified = now
            say(f"{self.service.unit} serves again, says its client")

    def row(self, actions):
        after = lambda at: round(at - self.injected, 1) if at and self.injected else None
        mine = [one for one in actions if one["incident_id"] in self.incidents]
        words = lambda one: f"{one['action']} {one['before']} -> {one['after']} ({one['state']})"
        return {
            "kind": self.fault, "unit": self.service.unit, "runtime": self.service.runtime,
            "injected": self.injected is not None, "detected": self.detected is not None,
            "culprit_right": self.culprit_right, "repaired": self.repaired is not None,
            "verified": self.verified is not None, "seconds_to_detect": after(self.detected),
            "seconds_to_verified": after(self.verified), "actions": [words(one) for one in mine],
            "was_started_anew": show(self.service.unit, "InvocationID") != self.before,
        }


def main():
    binary, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    draw = random.Random(seed)
    names, faults = draw.sample(NAMES, len(NAMES)), draw.sample(list(FAULTS), len(FAULTS))
    services = [Service(name, draw.choice(["c", "rust"]), 18000 + at) for at, name in enumerate(names)]
    services[-1].runtime = "noisy"
    cases = [Case(fault, service) for fault, service in zip(faults, services)]
    homeostat = Homeostat(binary)
    for service in services:
        service.install(binary)
    call("systemctl", "daemon-reload")
    for service in services:
        service.start()
    homeostat.start("--mode", "heal")
    say(f"seed {seed}: {', '.join(f'{one.unit} ({one.runtime})' for one in services)}")
    begin, usual_s, innocents = time.monotonic(), {}, {}
    while time.monotonic() - begin < HEALTHY_S + APART_S * len(cases) + LIMIT_S:
        for at, case in enumerate(cases):
            if not case.injected and time.monotonic() - begin >= HEALTHY_S + APART_S * at:
                usual_s = usual_s or {one.name: one.usual_s() for one in services}
                case.inject()
        for row in homeostat.rows("SELECT id, kind, name, culprit, state, sentence FROM incidents ORDER BY id"):
            guilty = [case for case in cases if case.injected and row["culprit"] == f"service:{case.service.unit}"]
            if guilty:
                guilty[0].take(row)
            elif row["kind"] not in OWN and row["id"] not in innocents:
                innocents[row["id"]] = f"{row['culprit']}: {row['sentence']}"
                say(f"innocent accused: {innocents[row['id']]}")
        for case in cases:
            case.verify(services[-2], usual_s)
        if all(case.verified for case in cases):
            break
        time.sleep(4)
    actions = homeostat.rows("SELECT * FROM actions ORDER BY id")
    rows = [case.row(actions) for case in cases]
    print(json.dumps({"seed": seed, "faults": rows, "innocents_accused": len(innocents),
                      "innocents": list(innocents.values()), "actions": actions}))
    good = all(row["verified"] and row["culprit_right"] for row in rows) and not innocents
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
