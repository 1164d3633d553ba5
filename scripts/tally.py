"""Adds up what scripts/test ran: meson's testlog.json and pytest's JUnit files in one folder.

A test that ran on several builds counts once: failed if it failed anywhere, else passed if it
passed anywhere, else skipped. Ends with status 1 if one failed, or if there was none at all."""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree

RANK = {"skipped": 0, "passed": 1, "failed": 2}
CMOCKA = re.compile(r"^\[\s*(PASSED|FAILED|SKIPPED)\s*\] (\d+) test\(s\)", re.MULTILINE)


def cases(path):
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        yield f"{case.get('classname')}::{case.get('name')}", outcome


def from_pytest(path, outcomes):
    """NAME.xml, and NAME.again.xml with what became of its failures when they were run again."""
    run = {}
    for name, outcome in cases(path):
        run[name] = max(run.get(name, outcome), outcome, key=RANK.get)
    again = path.with_suffix(".again.xml")
    if again.exists():
        second = {}
        for name, outcome in cases(again):
            second[name] = max(second.get(name, outcome), outcome, key=RANK.get)
        for name, outcome in second.items():
            if run.get(name) == "failed" and outcome == "passed":
                print(f"failed once and passed when run again ({path.stem}): {name}")
                run[name] = outcome
    for name, outcome in run.items():
        outcomes[name] = max(outcomes.get(name, outcome), outcome, key=RANK.get)


def from_meson(path, outcomes):
    """A cmocka program says how many of its tests went how; any other is one test."""
    for line in path.read_text().splitlines():
        run = json.loads(line)
        counts = {kind.lower(): int(n) for kind, n in CMOCKA.findall(run.get("stdout", "") + run.get("stderr", ""))}
        good = run["result"] in ("OK", "SKIP")
        if not counts:
            counts = {("passed" if run["result"] == "OK" else "skipped") if good else "failed": 1}
        if not good and not counts.get("failed"):
            counts["failed"] = 1  # it crashed, or a sanitizer spoke at its end
        for kind, count in counts.items():
            for i in range(count):
                outcomes[f"{run['name']}::{kind}{i}"] = kind


def main(folder):
    outcomes = {}
    for path in sorted(pathlib.Path(folder).iterdir()):
        if path.suffix == ".xml" and not path.name.endswith(".again.xml"):
            from_pytest(path, outcomes)
        elif path.suffix == ".json":
            from_meson(path, outcomes)
    kinds = list(outcomes.values())
    print(", ".join(f"{kinds.count(kind)} {kind}" for kind in ("passed", "failed", "skipped")))
    return 1 if "failed" in kinds or not kinds else 0


sys.exit(main(sys.argv[1]))
