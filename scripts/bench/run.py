"""run.py DIR IMAGE C2W WASMTIME RUNS: measures everything RUNS times, interleaved.

DIR/runs.tsv gets a line for each process and each stage: name, processor seconds, wall-clock
seconds, both up to the first byte of output, and peak resident KiB. DIR/modules.json says what
is in each module.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from workloads import WORKLOADS, trained

STAGE = re.compile(r"^(\w+) +([\d.]+) s wall +([\d.]+) s cpu", re.MULTILINE)
TRANSLATED = re.compile(r"^translated (\d+) instructions in (\d+) functions, ([\d.]+) MiB: "
                        r"([\d.]+) %", re.MULTILINE)
COUNTS = Path(__file__).with_name("counts.py")

# The modules that all workloads run in; each has one more, trained on it.
MODULES = {"off": ["--aot=off"], "auto": ["--aot=auto"]}


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


def progress(message):
    print(message, file=sys.stderr)


def check(workload, where, output):
    if workload.expected not in output:
        sys.exit(f"run.py: {workload.name} in {where} printed {output!r}, "
                 f"not {workload.expected!r}")


class Bench:
    """The image, the programs, and the file that the figures go to."""

    def __init__(self, file, image, c2w, wasmtime):
        self.file = file
        self.image = image
        self.c2w = c2w
        self.wasmtime = wasmtime
        self.native = [c2w, "run", "--timings", image, "--"]
        self.modules = {}

    def measure(self, name, command):
        output, errors, figures = measure(command)
        record(self.file, name, figures)
        return output, errors

    def make(self, module, options):
        """Converts to MODULE.wasm and compiles it to MODULE.cwasm."""
        wasm = f"{module}.wasm"
        _, errors = self.measure(f"{module} convert",
                                 [self.c2w, "--timings", *options, self.image, wasm])
        for stage, wall, processor in STAGE.findall(errors):
            if stage != "total":
                record(self.file, f"{module} convert {stage}",
                       (float(processor), float(wall), 0, 0, 0))
        translated = TRANSLATED.search(errors)
        self.modules[module] = {
            "bytes": os.stat(wasm).st_size,
            "translated": [float(figure) for figure in translated.groups()] if translated else None,
            "counts": {},
        }
        self.measure(f"{module} compile",
                     [self.wasmtime, "compile", wasm, "-o", f"{module}.cwasm"])

    def command(self, way, module):
        run = [self.wasmtime, "run"]
        return {
            "uncached": [*run, "-C", "cache=n", f"{module}.wasm"],
            "cached": [*run, "-C", "cache-config=cache.toml", f"{module}.wasm"],
            "precompiled": [*run, "--allow-precompiled", f"{module}.cwasm"],
        }[way]

    def measure_starts(self, module):
        measure(self.command("cached", module) + ["true"])
        for way in "uncached", "cached", "precompiled":
            for name, arguments in [("load", ["--help"]), ("true", ["true"]),
                                    ("echo", ["echo", "hi"])]:
                self.measure(f"{module} {way} {name}", self.command(way, module) + arguments)

    def measure_native(self, name, command):
        """A command in `c2w run`, whose preparation of the container is taken off."""
        output, errors, (processor, wall, *rest) = measure(self.native + command)
        prepared = next(stage for stage in STAGE.findall(errors) if stage[0] == "total")
        figures = (processor - float(prepared[2]), wall - float(prepared[1]), *rest)
        record(self.file, f"native {name}", figures)
        return output

    def measure_workload(self, workload):
        """One workload in the modules, in `c2w run` and on the host."""
        own = trained(workload)
        for module in *MODULES, own:
            output, _ = self.measure(f"{module} {workload.name}",
                                     self.command("precompiled", module) + workload.guest)
            check(workload, f"the module {module}", output)
        self.measure(f"{own} true", self.command("precompiled", own) + ["true"])
        check(workload, "c2w run", self.measure_native(workload.name, workload.guest))
        self.measure(f"host {workload.name}", workload.host)

    def make_trained(self, workload):
        """The module trained on a workload: made once, it stays compiled."""
        module = trained(workload)
        self.make(module, ["--train", shlex.join(workload.train)])
        os.remove(f"{module}.wasm")

    def count(self, workload):
        """What of a workload is translated code: the same in each round."""
        for module in "auto", trained(workload):
            self.modules[module]["counts"][workload.name] = counts_of(module, workload)


def counts_of(module, workload):
    """What counts.py prints; nothing where it cannot run."""
    command = [sys.executable, "-B", COUNTS, f"{module}.cwasm", *workload.guest]
    child = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    return [int(figure) for figure in child.stderr.split()] if child.returncode == 0 else None


def main():
    directory, image, c2w, wasmtime, runs = sys.argv[1:]
    c2w = os.path.abspath(c2w)
    os.chdir(directory)
    Path("cache.toml").write_text(f'[cache]\ndirectory = "{os.getcwd()}/cache"\n')
    # The interpreter itself, not a version manager's script.
    os.environ["PATH"] = f"bin:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    with open("runs.tsv", "w") as file:
        bench = Bench(file, image, c2w, wasmtime)
        for workload in WORKLOADS:
            progress(f"module for {workload.name}")
            bench.make_trained(workload)
        for run in range(int(runs)):
            progress(f"run {run + 1} of {runs}")
            shutil.rmtree("cache", ignore_errors=True)
            for module, options in MODULES.items():
                bench.make(module, options)
            for module in MODULES:
                bench.measure_starts(module)
            bench.measure_native("true", ["true"])
            for workload in WORKLOADS:
                bench.measure_workload(workload)
        progress("counts")
        for workload in WORKLOADS:
            bench.count(workload)
    Path("modules.json").write_text(json.dumps(bench.modules, indent=1))


if __name__ == "__main__":
    main()
