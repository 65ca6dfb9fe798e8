"""table.py DIR: DIR/runs.tsv, written by run.py, as Markdown tables of medians."""

import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from workloads import WORKLOADS


class Figures(NamedTuple):
    processor: float
    wall: float
    first_processor: float
    first_wall: float
    resident_kib: float


def medians(path):
    runs = defaultdict(list)
    for line in path.read_text().splitlines():
        name, *figures = line.split("\t")
        runs[name].append([float(figure) for figure in figures])
    count = len(runs["convert"])
    return {name: Figures(*map(median, zip(*lines))) for name, lines in runs.items()}, count


def table(header, rows):
    """Prints a table whose columns but the first are numbers."""
    print("|", " | ".join(header), "|")
    print("|---|" + "---:|" * (len(header) - 1))
    for row in rows:
        print("|", " | ".join(row), "|")
    print()


def mib(size):
    return f"{size / 2**20:.0f}"


def ratio(value):
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def conversion(figures):
    rows = [[name.removeprefix("convert "), f"{stage.wall:.2f}", f"{stage.processor:.2f}"]
            for name, stage in figures.items() if name.startswith("convert ")]
    whole = figures["convert"]
    rows.append(["whole process", f"{whole.wall:.2f}", f"{whole.processor:.2f}"])
    table(["conversion", "wall s", "CPU s"], rows)
    return whole.resident_kib * 1024


def starts(figures):
    rows = []
    for way in "uncached", "cached", "precompiled":
        load, true, echo = (figures[f"{way} {name}"] for name in ("load", "true", "echo"))
        rows.append([way, f"{load.processor:.3f}", f"{true.processor - load.processor:.3f}",
                     f"{echo.first_processor:.3f}", f"{echo.first_wall:.3f}",
                     f"{echo.processor:.3f}", mib(echo.resident_kib * 1024)])
    table(["start under wasmtime", "load: CPU s", "restore, `true`, exit: CPU s",
           "first byte of `echo hi`: CPU s", "the same: wall s", "`echo hi` to its end: CPU s",
           "peak RSS MiB"], rows)


def workloads(figures):
    module_start = figures["precompiled true"].processor
    native_start = figures["native true"].processor
    rows = [["`true` (taken off below)", f"{module_start:.3f}", "", f"{native_start:.3f}",
             "", "", "", ""]]
    for workload in WORKLOADS:
        whole = figures[f"module {workload.name}"].processor
        module = whole - module_start
        native = figures[f"native {workload.name}"].processor - native_start
        host = figures[f"host {workload.name}"].processor / workload.scale
        rows.append([workload.name, f"{whole:.2f}", f"{module:.2f}", f"{native:.2f}",
                     f"{host:.4f}", ratio(module / host), ratio(native / host),
                     ratio(workload.reference) if workload.reference else ""])
    table(["CPU s", "module, whole process", "module", "`c2w run`", "host", "module / host",
           "`c2w run` / host", "TinyEMU in wasm / host"], rows)


def main():
    directory = Path(sys.argv[1])
    figures, runs = medians(directory / "runs.tsv")
    print(f"Medians of {runs} interleaved runs.\n")
    resident = conversion(figures)
    module = (directory / "out.wasm").stat().st_size
    print(f"Module: {mib(module)} MiB. Peak RSS of the conversion: {mib(resident)} MiB.\n")
    starts(figures)
    precompile = figures["compile"]
    print(f"`wasmtime compile`: {precompile.processor:.2f} s CPU, {precompile.wall:.2f} s wall.\n")
    workloads(figures)


if __name__ == "__main__":
    main()
