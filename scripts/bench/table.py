"""table.py DIR: what run.py has written to DIR, as Markdown tables of medians."""

import json
import shlex
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from workloads import WORKLOADS, trained


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
    count = len(runs["auto convert"])
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
    stages = {name.removeprefix("auto "): name.removeprefix("auto convert ")
              for name in figures if name.startswith("auto convert ")}
    stages["convert"] = "whole process"
    rows = []
    for stage, label in stages.items():
        cells = []
        for module in "off", "auto":
            took = figures.get(f"{module} {stage}")
            cells += [f"{took.wall:.2f}", f"{took.processor:.2f}"] if took else ["", ""]
        rows.append([label, *cells])
    table(["conversion", "`--aot=off`: wall s", "CPU s", "`--aot=auto`: wall s", "CPU s"], rows)


def starts(figures):
    rows = []
    for way in "uncached", "cached", "precompiled":
        for module in "off", "auto":
            load, true, echo = (figures[f"{module} {way} {name}"]
                                for name in ("load", "true", "echo"))
            rows.append([f"{way}, `--aot={module}`", f"{load.processor:.3f}",
                         f"{true.processor - load.processor:.3f}", f"{echo.first_processor:.3f}",
                         f"{echo.first_wall:.3f}", f"{echo.processor:.3f}",
                         mib(echo.resident_kib * 1024)])
    table(["start under wasmtime", "load: CPU s", "restore, `true`, exit: CPU s",
           "first byte of `echo hi`: CPU s", "the same: wall s", "`echo hi` to its end: CPU s",
           "peak RSS MiB"], rows)


def costs(figures, modules):
    """What translation without training on a workload adds to a module."""
    rows = []

    def row(name, off, auto, digits):
        rows.append([name, f"{off:.{digits}f}", f"{auto:.{digits}f}", f"{auto - off:+.{digits}f}"])

    row("module, MiB", *(modules[name]["bytes"] / 2**20 for name in ("off", "auto")), 1)
    row("peak RSS of the conversion, MiB",
        *(figures[f"{name} convert"].resident_kib / 1024 for name in ("off", "auto")), 0)
    for what, name, digits in [("`wasmtime compile`, CPU s", "compile", 2),
                               ("uncached load, CPU s", "uncached load", 2),
                               ("cached load, CPU s", "cached load", 3),
                               ("precompiled load, CPU s", "precompiled load", 3)]:
        row(what, *(figures[f"{module} {name}"].processor for module in ("off", "auto")), digits)
    table(["cost of translation", "`--aot=off`", "`--aot=auto`", "added"], rows)


class Times(NamedTuple):
    """Processor seconds of a workload, less those of `true`."""
    off: float
    auto: float
    trained: float
    native: float
    host: float


def starting(figures, own):
    """What `true` takes in the same places."""
    return Times(figures["off precompiled true"].processor,
                 figures["auto precompiled true"].processor,
                 figures[f"{own} true"].processor, figures["native true"].processor, 0)


def times(figures, workload):
    own = trained(workload)
    whole = Times(*(figures[f"{where} {workload.name}"].processor
                    for where in ("off", "auto", own, "native", "host")))
    less = Times(*(time - start for time, start in zip(whole, starting(figures, own))))
    return less._replace(host=whole.host / workload.scale)


def workloads(figures):
    start = map(median, zip(*(starting(figures, trained(workload)) for workload in WORKLOADS)))
    seconds = [["`true` (taken off below)", *(f"{time:.3f}" for time in list(start)[:-1]), ""]]
    ratios = []
    for workload in WORKLOADS:
        took = times(figures, workload)
        seconds.append([workload.name, *(f"{time:.2f}" for time in took[:-1]), f"{took.host:.4f}"])
        reference = workload.reference
        ratios.append([workload.name, *(ratio(time / took.host) for time in took[:-1]),
                       f"{took.off / took.auto:.1f}", f"{took.off / took.trained:.1f}",
                       ratio(reference) if reference else "",
                       f"{reference * took.host / took.trained:.1f}" if reference else ""])
    where = ["`--aot=off`", "`--aot=auto`", "trained", "`c2w run`"]
    table(["CPU s", *where, "host"], seconds)
    table(["ratio of CPU s", *(f"{name} / host" for name in where), "off / auto", "off / trained",
           "TinyEMU in wasm / host", "TinyEMU / trained"], ratios)


def executed(counts):
    """Share of translated code and entries per million instructions, of a run."""
    if not counts:
        return ["-", "-"]
    instructions, translated, entries, _ = counts
    return [f"{100 * translated / instructions:.1f}", f"{1e6 * entries / instructions:.0f}"]


def translation(figures, modules):
    """What is translated in each module, and what of the workloads that is."""
    rows = []

    def row(name, module, *runs):
        instructions, functions, size, share = modules[module]["translated"]
        processor = [figures[f"{module} {stage}"].processor
                     for stage in ("convert train", "convert translate", "compile")]
        rows.append([name, f"{instructions:.0f}", f"{functions:.0f}", f"{size:.1f}", f"{share:.1f}",
                     *(f"{took:.2f}" for took in processor), *runs])

    row("`--aot=auto`", "auto", "", "", "", "")
    for workload in WORKLOADS:
        own = trained(workload)
        untrained = modules["auto"]["counts"][workload.name]
        row(workload.name, own, *executed(modules[own]["counts"][workload.name]),
            *executed(untrained))
    table(["module, or workload it is trained for", "instructions", "functions", "MiB",
           "of training %", "train: CPU s", "translate: CPU s", "compile: CPU s", "of the run %",
           "entries per million", "of the run %, `--aot=auto`", "entries per million"], rows)
    print("Trained on, in place of the workload:\n")
    for workload in WORKLOADS:
        words = shlex.join(workload.train).replace("\n", "\\n")
        print(f"- {workload.name}: `{words}`")


def main():
    directory = Path(sys.argv[1])
    figures, runs = medians(directory / "runs.tsv")
    modules = json.loads((directory / "modules.json").read_text())
    print(f"Medians of {runs} interleaved runs.\n")
    conversion(figures)
    costs(figures, modules)
    starts(figures)
    workloads(figures)
    translation(figures, modules)


if __name__ == "__main__":
    main()
