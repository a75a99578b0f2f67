"""The tests of the kernel side on the kernel of this machine. usage: kernel.py BINARY TEST_PROGRAM...

Prints one JSON object; exit code 0 if every program passed. What a test skips, and why, stands on standard error.
"""
import json, os, re, subprocess, sys

from scene import say

# They compare with the sources of the workspace, which are not here.
LEFT_OUT = ["objects::"]


def play(program):
    """How it went in a line, with where it failed, and whether it went well."""
    skips = [word for name in LEFT_OUT for word in ("--skip", name)]
    command = [f"./{program}", "--test-threads=1", "--nocapture", *skips]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    said = done.stdout.splitlines()
    for line in said:
        if re.search("skipped|FAILED|panicked", line):
            say(program, line)
    panics = [" ".join(said[at : at + 2]) for at, line in enumerate(said) if "panicked at" in line]
    results = re.findall(r"^test result: (.*?); \d+ ignored", done.stdout, re.M)
    line = f"{program.rsplit('-', 1)[0]}: {' and '.join(results) or 'no result'}"
    return "; ".join([line, *panics]), done.returncode == 0


def main():
    say("Linux", os.uname().release)
    passed, failed = [], []
    for program in sys.argv[2:]:
        line, is_good = play(program)
        say(line)
        (passed if is_good else failed).append(line)
    print(json.dumps({"linux": os.uname().release, "passed": passed, "failed": failed}))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
