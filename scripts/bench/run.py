"""run.py DIR IMAGE C2W WASMTIME RUNS: measures everything RUNS times, interleaved.

DIR/runs.tsv gets a line for each process and each stage: name, processor seconds, wall-clock
seconds, both up to the first byte of output, and peak resident KiB.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from workloads import WORKLOADS

STAGE = re.compile(r"^(\w+) +([\d.]+) s wall +([\d.]+) s cpu", re.MULTILINE)


def processor_seconds(pid):
    """Processor time of a running process, ended threads included (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


def measure(command):
    """Runs a command; returns its output, its errors and the figures of one line."""
    start = time.monotonic()
    with open("errors", "w") as errors:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=errors)
    output = child.stdout.read(1)
    first = (processor_seconds(child.pid), time.monotonic() - start) if output else (0, 0)
    output += child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    errors = Path("errors").read_text()
    if child.returncode:
        sys.exit(f"run.py: exit status {child.returncode} of {command}:\n{errors}")
    processor = usage.ru_utime + usage.ru_stime
    return output.decode(), errors, (processor, wall, *first, usage.ru_maxrss)


def record(file, name, figures):
    print(name, *(f"{figure:.6f}" for figure in figures), sep="\t", file=file, flush=True)


def check(workload, where, output):
    if workload.expected not in output:
        sys.exit(f"run.py: {workload.name} in {where} printed {output!r}, "
                 f"not {workload.expected!r}")


def measure_conversion(file, image, c2w):
    """Converts to out.wasm."""
    _, errors, figures = measure([c2w, "--timings", image, "out.wasm"])
    record(file, "convert", figures)
    for stage, wall, processor in STAGE.findall(errors):
        if stage != "total":
            record(file, f"convert {stage}", (float(processor), float(wall), 0, 0, 0))


def measure_starts(file, ways):
    for way, command in ways.items():
        for name, arguments in [("load", ["--help"]), ("true", ["true"]),
                                ("echo", ["echo", "hi"])]:
            record(file, f"{way} {name}", measure(command + arguments)[2])


def measure_native(file, name, command):
    """A command in `c2w run`, whose preparation of the container is taken off."""
    output, errors, (processor, wall, *rest) = measure(command)
    prepared = next(stage for stage in STAGE.findall(errors) if stage[0] == "total")
    figures = (processor - float(prepared[2]), wall - float(prepared[1]), *rest)
    record(file, f"native {name}", figures)
    return output


def measure_workload(file, workload, module, native):
    """One workload in the module, in `c2w run` and on the host."""
    output, _, figures = measure(module + workload.guest)
    check(workload, "the module", output)
    record(file, f"module {workload.name}", figures)
    check(workload, "c2w run", measure_native(file, workload.name, native + workload.guest))
    record(file, f"host {workload.name}", measure(workload.host)[2])


def main():
    directory, image, c2w, wasmtime, runs = sys.argv[1:]
    c2w = os.path.abspath(c2w)
    os.chdir(directory)
    Path("cache.toml").write_text(f'[cache]\ndirectory = "{os.getcwd()}/cache"\n')
    ways = {
        "uncached": [wasmtime, "run", "-C", "cache=n", "out.wasm"],
        "cached": [wasmtime, "run", "-C", "cache-config=cache.toml", "out.wasm"],
        "precompiled": [wasmtime, "run", "--allow-precompiled", "out.cwasm"],
    }
    native = [c2w, "run", "--timings", image, "--"]
    # The interpreter itself, not a version manager's script.
    os.environ["PATH"] = f"bin:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    with open("runs.tsv", "w") as file:
        for run in range(int(runs)):
            print(f"run {run + 1} of {runs}", file=sys.stderr)
            measure_conversion(file, image, c2w)
            shutil.rmtree("cache", ignore_errors=True)
            measure(ways["cached"] + ["true"])
            record(file, "compile",
                   measure([wasmtime, "compile", "out.wasm", "-o", "out.cwasm"])[2])
            measure_starts(file, ways)
            measure_native(file, "true", native + ["true"])
            for workload in WORKLOADS:
                measure_workload(file, workload, ways["precompiled"], native)


if __name__ == "__main__":
    main()
