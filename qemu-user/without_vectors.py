#!/usr/bin/env python3
"""without_vectors.py PROGRAM TARGET: has a QEMU user emulator for riscv64 make no use of vectors.

QEMU 10.0 makes wrong code with the V extension (README.md). At its start cpuinfo_init() asks the
kernel for the machine's extensions, riscv_hwprobe(2), and takes over those that it knows. Two of
those instructions get another mask here, so that it does not see V and Zve64x.
"""
import struct
import sys

# What cpuinfo_init() does with the kernel's answer, after `ld a0,16(sp)`.
CODE = [
    (2, 0x6542, None),  # c.ld a0,16(sp)
    (4, 0x00255693, None),  # srli a3,a0,2
    (4, 0x01F55713, None),  # srli a4,a0,31
    (4, 0x0035179B, None),  # slliw a5,a0,3
    (2, 0x8AB9, None),  # c.andi a3,14: Zba, Zbb, Zbs
    (2, 0x8B41, None),  # c.andi a4,16: Zicond
    (2, 0x8F55, None),  # c.or a4,a3
    (4, 0x0207F793, 0x0007F793),  # andi a5,a5,32: V
    (2, 0x9109, None),  # c.srli a0,34
    (2, 0x8FD9, None),  # c.or a5,a4
    (4, 0x02057513, 0x00057513),  # andi a0,a0,32: Zve64x
    (4, 0x00F56433, None),  # or s0,a0,a5
]


def encode(instructions):
    return b"".join(struct.pack({2: "<H", 4: "<I"}[size], code) for size, code in instructions)


def main():
    program, target = sys.argv[1:]
    with open(program, "rb") as file:
        data = file.read()
    old = encode((size, code) for size, code, _ in CODE)
    new = encode((size, code if other is None else other) for size, code, other in CODE)
    if data.count(old) != 1:
        sys.exit(f"{program}: cpuinfo_init() is not as it was: see whether vectors work now")
    with open(target, "wb") as file:
        file.write(data.replace(old, new))


main()
