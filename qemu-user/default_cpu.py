#!/usr/bin/env python3
"""default_cpu.py MODEL PROGRAM TARGET: has qemu-aarch64 emulate MODEL unless it is told otherwise.

arm_cpu_class_by_name() takes the model "max" for the default, "any". The one reference to that name
from code, `auipc` and `addi`, gets the address of MODEL's, which is in the program too. README.md
says why.
"""
import struct
import sys

AUIPC, ADDI = 0x17, 0x13
OLD = b"max\0"


def places(data, text):
    at = data.find(text)
    while at >= 0:
        yield at
        at = data.find(text, at + 1)


def signed(value, bits):
    return value - ((value >> (bits - 1)) << bits)


def references(data, strings):
    """Where code takes the address of one of `strings`, and the register that gets it."""
    for at in range(0, len(data) - 8, 2):
        upper, lower = struct.unpack_from("<II", data, at)
        register = upper >> 7 & 31
        if upper & 0x7F != AUIPC or lower & 0x707F != ADDI or lower >> 15 & 31 != register:
            continue
        if lower >> 7 & 31 != register:
            continue
        address = at + signed(upper & 0xFFFFF000, 32) + signed(lower >> 20, 12)
        if address in strings:
            yield at, register


def main():
    model, program, target = sys.argv[1:]
    with open(program, "rb") as file:
        data = bytearray(file.read())
    new = data.find(model.encode() + b"\0")
    found = list(references(data, set(places(data, OLD))))
    if new < 0 or len(found) != 1:
        sys.exit(f"{program}: there is no {model}, or its default is not as it was")
    (at, register) = found[0]
    distance = new - at
    low = signed(distance & 0xFFF, 12)
    upper = (distance - low) & 0xFFFFF000 | register << 7 | AUIPC
    lower = (low & 0xFFF) << 20 | register << 15 | register << 7 | ADDI
    struct.pack_into("<II", data, at, upper, lower)
    with open(target, "wb") as file:
        file.write(data)


main()
