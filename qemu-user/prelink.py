#!/usr/bin/env python3
"""prelink.py BASE PROGRAM TARGET: gives a static PIE for riscv64 a fixed address.

QEMU's programs have 100,000 relocations, which every start would apply again, to 400 pages that
every process would then own. Here they are applied once, and their table is made zeros: pages that
nobody writes stay those of the file. The C library (glibc 2.41) finds from the program
headers that the program is where they say, and applies what is left: R_RISCV_IRELATIVE, whose
result depends on the machine.
"""
import struct
import sys

ET_EXEC, ET_DYN, EM_RISCV = 2, 3, 243
E_TYPE, E_ENTRY, E_PHOFF, E_SHOFF, E_PHNUM, E_SHNUM, E_SHSTRNDX = 1, 4, 5, 6, 10, 12, 13
PT_NULL, PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_PHDR, PT_TLS = 0, 1, 2, 4, 6, 7
PT_GNU_EH_FRAME, PT_GNU_RELRO, PT_RISCV_ATTRIBUTES = 0x6474E550, 0x6474E552, 0x70000003
PT_ADDRESSES = {PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_PHDR, PT_TLS, PT_GNU_EH_FRAME, PT_GNU_RELRO}
DT_PLTRELSZ, DT_PLTGOT, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_JMPREL = 2, 3, 5, 6, 7, 8, 23
DT_RELACOUNT, DT_FLAGS_1, DF_1_PIE = 0x6FFFFFF9, 0x6FFFFFFB, 0x08000000
DT_HASH, DT_INIT, DT_FINI, DT_GNU_HASH = 4, 12, 13, 0x6FFFFEF5
DT_INIT_ARRAY, DT_FINI_ARRAY, DT_PREINIT_ARRAY = 25, 26, 32
DT_ADDRESSES = {DT_PLTGOT, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_JMPREL, DT_HASH, DT_INIT, DT_FINI}
DT_ADDRESSES |= {DT_GNU_HASH, DT_INIT_ARRAY, DT_FINI_ARRAY, DT_PREINIT_ARRAY}
STT_TLS = 6
R_RISCV_64, R_RISCV_RELATIVE, R_RISCV_IRELATIVE = 2, 3, 58
HEADER, SEGMENT = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ")
DYNAMIC, RELA, WORD = struct.Struct("<qQ"), struct.Struct("<QQq"), struct.Struct("<Q")
SYMBOL = struct.Struct("<IBBHQQ")


class Program:
    """A program that was linked at 0, as it is in memory: an address is an index into `data`."""

    def __init__(self, file):
        self.header = list(HEADER.unpack_from(file))
        identity, kind, machine = self.header[:3]
        if identity[:5] != b"\x7fELF\x02" or kind != ET_DYN or machine != EM_RISCV:
            sys.exit("not a PIE for riscv64")
        self.segments = [
            list(SEGMENT.unpack_from(file, self.header[E_PHOFF] + i * SEGMENT.size))
            for i in range(self.header[E_PHNUM])
        ]
        loads = [s for s in self.segments if s[0] == PT_LOAD]
        self.data = bytearray(max(s[3] + s[5] for s in loads))
        for _, _, offset, address, _, size, _, _ in loads:
            self.data[address : address + size] = file[offset : offset + size]
        start, size = next((s[3], s[5]) for s in self.segments if s[0] == PT_DYNAMIC)
        self.dynamic_at = start
        self.dynamic = list(DYNAMIC.iter_unpack(self.data[start : start + size]))
        self.tags = dict(self.dynamic)

    def relocations(self):
        start = self.tags[DT_RELA]
        return RELA.iter_unpack(self.data[start : start + self.tags[DT_RELASZ]])

    def symbol(self, index, base):
        _, _, _, section, value, _ = SYMBOL.unpack_from(
            self.data, self.tags[DT_SYMTAB] + index * SYMBOL.size
        )
        return base + value if section else 0

    def relocate(self, base):
        """Applies what does not depend on the machine, and moves the rest."""
        kept = []
        for place, info, addend in self.relocations():
            if info == R_RISCV_IRELATIVE:
                kept.append((base + place, info, base + addend))
            elif info == R_RISCV_RELATIVE:
                WORD.pack_into(self.data, place, base + addend)
            elif info & 0xFFFFFFFF == R_RISCV_64:
                WORD.pack_into(self.data, place, self.symbol(info >> 32, base) + addend)
            else:
                sys.exit(f"unexpected relocation {info:#x}")
        # They are the PLT's, which the table has at its end. Zeros are a hole in the image.
        self.data[self.tags[DT_RELA] : self.tags[DT_JMPREL]] = bytes(
            self.tags[DT_JMPREL] - self.tags[DT_RELA]
        )
        if len(kept) * RELA.size != self.tags[DT_PLTRELSZ]:
            sys.exit("R_RISCV_IRELATIVE outside of the PLT's relocations")
        for i, relocation in enumerate(kept):
            RELA.pack_into(self.data, self.tags[DT_JMPREL] + i * RELA.size, *relocation)
        # The first word of the GOT is the address of the dynamic section.
        WORD.pack_into(self.data, self.tags[DT_PLTGOT], base + self.dynamic_at)

    def move_symbols(self, base):
        # The string table follows the symbol table.
        for at in range(self.tags[DT_SYMTAB], self.tags[DT_STRTAB] - SYMBOL.size + 1, SYMBOL.size):
            name, info, other, section, value, size = SYMBOL.unpack_from(self.data, at)
            if section and info & 15 != STT_TLS:
                SYMBOL.pack_into(self.data, at, name, info, other, section, base + value, size)

    def move_dynamic(self, base):
        tags = self.tags
        new = {DT_RELA: tags[DT_JMPREL], DT_RELASZ: tags[DT_PLTRELSZ], DT_RELACOUNT: 0}
        new[DT_FLAGS_1] = tags[DT_FLAGS_1] & ~DF_1_PIE
        for i, (tag, value) in enumerate(self.dynamic):
            value = new.get(tag, value) + (base if tag in DT_ADDRESSES else 0)
            DYNAMIC.pack_into(self.data, self.dynamic_at + i * DYNAMIC.size, tag, value)

    def move_segments(self, base):
        for i, segment in enumerate(self.segments):
            if segment[0] == PT_RISCV_ATTRIBUTES:  # is not loaded
                segment = [PT_NULL] + [0] * 7
            elif segment[0] in PT_ADDRESSES:
                segment[2] = segment[3]
                segment[3] = segment[4] = base + segment[3]
            SEGMENT.pack_into(self.data, self.header[E_PHOFF] + i * SEGMENT.size, *segment)

    def at(self, base):
        self.relocate(base)
        self.move_symbols(base)
        self.move_dynamic(base)
        self.move_segments(base)
        self.header[E_TYPE] = ET_EXEC
        self.header[E_ENTRY] += base
        self.header[E_SHOFF] = self.header[E_SHNUM] = self.header[E_SHSTRNDX] = 0
        HEADER.pack_into(self.data, 0, *self.header)
        return self.data


def main():
    base, program, target = sys.argv[1:]
    with open(program, "rb") as file:
        data = Program(file.read()).at(int(base, 0))
    with open(target, "wb") as file:
        file.write(data)


main()
