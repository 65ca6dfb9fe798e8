"""The programs that run in the container and, scaled to seconds, on the host."""

from typing import NamedTuple

PYTHON_LOOP = """s = 0
for i in range({}): s = (s * 31 + i) % 65521
print(s)"""


class Workload(NamedTuple):
    name: str
    guest: list[str]
    train: list[str]  # the same program at other work, to translate a module for
    expected: str  # must be in the guest's output
    host: list[str]
    scale: int  # how many times the guest's work the host does
    reference: float | None  # TinyEMU in wasm / native


def shell(script):
    return ["sh", "-c", script]


def repeat(times, command):
    return shell(f"i=0; while [ $i -lt {times} ]; do {command}; i=$((i+1)); done")


def python(program):
    return ["python3", "-c", program]


def bench(name, n, checksum, scale, reference, *program):
    def command(n):
        return ["bench", name, str(n), *program]

    expected = f"RES test={name} n={n} chk={checksum} "
    label = " ".join([name, str(n), *program])
    return Workload(label, command(n), command(n // 10), expected, command(n * scale), scale,
                    reference)


WORKLOADS = [
    bench("int", 20000, "8cfe", 60, 125),
    bench("sha", 16, "80acf35a507ac98", 20, 85),
    # Its set-up does not grow with n.
    Workload("mem 1000000", ["bench", "mem", "1000000"], ["bench", "mem", "100000"],
             "RES test=mem n=1000000 chk=9ae87 ", repeat(10, "bench mem 1000000"), 10, 3.8),
    bench("fp", 20000000, "7eabe089c96", 20, 68),
    bench("sys", 300000, "0", 30, 12),
    bench("fork", 200, "0", 10, 11, "/bin/true"),
    Workload("gen 8 \\| gzip", shell("bench gen 8 | busybox gzip | wc -c"),
             shell("bench gen 1 | busybox gzip | wc -c"), "1534149\n",
             shell("bench gen 32 | busybox gzip | wc -c"), 4, 24),
    Workload("Python loop 400000", python(PYTHON_LOOP.format(400000)),
             python(PYTHON_LOOP.format(30000)), "16844\n", python(PYTHON_LOOP.format(8000000)), 20,
             135),
    Workload("Python start", python("pass"), python("print(1)"), "",
             repeat(40, "python3 -c pass"), 40, None),
]


def trained(workload):
    """The name of the module trained on a workload."""
    return f"trained-{WORKLOADS.index(workload)}"
