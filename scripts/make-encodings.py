#!/usr/bin/env python3
"""Makes emulator/tests/encodings/rva23.txt, the list of instructions that the emulator's own table
is held against, from the opcode tables of GNU binutils (2.44 or later).

    apt-get download binutils-source            # Debian trixie
    dpkg-deb -x binutils-source_*.deb . && tar -xf usr/src/binutils/binutils-*.tar.xz
    scripts/make-encodings.py binutils-2.44 > emulator/tests/encodings/rva23.txt

Only facts are taken: mnemonic, mask, match, operand fields, extension.
"""

import re
import sys
from pathlib import Path

# Classes of the tables, as extensions of RVA23 and its supervisor. What is not here (Zfh beyond
# Zfhmin, Zbc, Zacas, ...) is not implemented and must trap.
EXTENSIONS = {
    "I": "I", "M": "M", "ZMMUL": "M", "ZALRSC": "A", "ZAAMO": "A",
    "F": "F", "F_INX": "F", "D": "D", "D_INX": "D",
    "C": "C", "D_AND_C": "C", "ZICSR": "Zicsr", "ZIFENCEI": "Zifencei",
    "ZBA": "Zba", "ZBB": "Zbb", "ZBB_OR_ZBKB": "Zbb", "ZBS": "Zbs", "ZICOND": "Zicond",
    "ZICBOM": "Zicbom", "ZICBOZ": "Zicboz",
    "ZFA": "Zfa", "D_AND_ZFA": "Zfa",
    "ZFHMIN": "Zfhmin", "ZFHMIN_INX": "Zfhmin", "ZFHMIN_AND_D_INX": "Zfhmin",
    "ZCB": "Zcb", "ZCB_AND_ZBA": "Zcb", "ZCB_AND_ZBB": "Zcb", "ZCB_AND_ZMMUL": "Zcb",
    "ZIMOP": "Zimop", "ZCMOP": "Zcmop", "ZAWRS": "Zawrs",
    "V": "V", "ZVEF": "V", "ZVBB": "Zvbb", "ZVKB": "Zvbb", "SVINVAL": "Svinval",
}
# Class I holds privileged instructions too.
PRIVILEGED = {"sret": "S", "wfi": "S", "sfence.vma": "S"}
# Not ours: M-mode, the hypervisor's fences, and forms that are special cases of another row
# (fence.tso of fence, the shifts by 0 of RV128, comparisons with operands exchanged), or old names.
LEFT_OUT = {"mret", "uret", "hret", "dret", "mnret", "sfence.vm", "fence.tso", "hinval.vvma",
            "hinval.gvma", "unimp", "c.slli64", "c.srli64", "c.srai64",
            "fge.s", "fgt.s", "fge.d", "fgt.d", "vfrsqrte7.v", "vfrece7.v"}
# The spelling of the ratified manual where the tables put another one first.
RENAMED = {"fmv.x.s": "fmv.x.w", "fmv.s.x": "fmv.w.x", "scall": "ecall", "sbreak": "ebreak"}

# Operand letters as opcodes/riscv-dis.c explains them. Longer ones first.
OPERANDS = [
    ("o(s)", "rs1 imm12"), ("q(s)", "rs1 simm12"), ("0(s)", "rs1"),
    ("Wfv", "fimm5"), ("V0", "v0"),
    ("Wcb(Cs)", "rs1' imm"), ("Wch(Cs)", "rs1' imm"),
    ("Ck(Cs)", "rs1' imm"), ("Cl(Cs)", "rs1' imm"),
    ("Cm(Cc)", "imm"), ("Cn(Cc)", "imm"), ("CM(Cc)", "imm"), ("CN(Cc)", "imm"),
    ("Cc", ""), ("CK", "imm"), ("CL", "imm"), ("Cj", "imm"), ("Co", "imm"), ("Cu", "imm"),
    ("C>", "imm"), ("Ca", "imm"), ("Cp", "imm"), ("Cs", "rs1'"), ("Ct", "rs2'"),
    ("CD", "fs2'"), ("CT", "fs2"), ("CV", "rs2"),
    ("Vd", "vd"), ("Vs", "vs1"), ("Vt", "vs2"), ("Vu", "vs2"), ("Vv", "vd"),
    ("Vm", "vm"), ("Vi", "simm5"), ("Vj", "uimm5"), ("Vk", "uimm5"), ("Vl", "uimm6"),
    ("Vb", "zimm10"), ("Vc", "zimm11"),
    ("d", "rd"), ("s", "rs1"), ("t", "rs2"), ("r", "rs3"), ("D", "fd"), ("S", "fs1"),
    ("T", "fs2"), ("R", "fs3"), ("m", "rm"), ("j", "imm12"), ("a", "jimm20"), ("p", "bimm12"),
    ("u", "imm20"), (">", "shamt6"), ("<", "shamt5"), ("E", "csr"), ("Z", "zimm5"),
    ("P", "pred"), ("Q", "succ"), (",", ""),
]

ROW = re.compile(r'^\{"([^"]+)",\s*(\d+),\s*INSN_CLASS_(\w+),\s*"([^"]*)",\s*(.+?),\s*(.+?),'
                 r'\s*(?:match_\w+|NULL),\s*(.+?)\s*\}', re.M)


class Row:
    def __init__(self, name, mask, match, extension, operands):
        self.name, self.mask, self.match = name, mask, match
        self.extension, self.operands = extension, operands


def macros(header):
    """Values of the header's MATCH_ and MASK_ macros."""
    return {name: int(value, 0) for name, value in
            re.findall(r"^#define (MA(?:TCH|SK)_\w+)\s+(0x[0-9a-f]+)\b", header, re.M | re.I)}


def fields(operands, name):
    found, rest = [], operands
    while rest:
        for letters, meaning in OPERANDS:
            if rest.startswith(letters):
                found += meaning.split()
                rest = rest[len(letters):]
                break
        else:
            sys.exit(f"{name}: operand {rest!r} of {operands!r} is not known here")
    return found


def rows(source):
    """The rows of the tables that are ours, by name."""
    header = (source / "include/opcode/riscv-opc.h").read_text()
    table = (source / "opcodes/riscv-opc.c").read_text()
    known, found = macros(header), {}
    # Encodings that the table composes of a generalised instruction and its shift amount.
    extra = dict(re.findall(r"^#define (MATCH_SHAMT_\w+|MASK_\w+) \((.*)\)$", table, re.M))
    shamt = {key: int(number, 0) << 20 for key, text in extra.items()
             for number in re.findall(r"^(0x\w+|0b\w+|\d+) << OP_SH_SHAMT", text)}
    known.update(shamt, MASK_SHAMT=0x3f << 20, MASK_RS2=31 << 20)
    for name, xlen, kind, operands, match, mask, flags in ROW.findall(table):
        composed = name in ("rev8", "orc.b", "zext.h")
        plain = composed or re.fullmatch(r"MATCH_\w+", match)
        name = RENAMED.get(name, name)
        if (kind not in EXTENSIONS or name in LEFT_OUT or xlen == "32" or not plain
                or "INSN_ALIAS" in flags or "INSN_MACRO" in flags
                or operands.startswith("O") or operands.endswith(",1") or "A" in operands):
            continue
        if composed:
            value = [0, 0]
            for index, text in enumerate((match, mask)):
                for part in text.split("|"):
                    value[index] |= known[part.strip()]
            bits, covered = value
        else:
            bits, covered = known[match], known[match.replace("MATCH_", "MASK_")]
        extension = PRIVILEGED.get(name, EXTENSIONS[kind])
        row = Row(name, covered, bits, extension, operand_list(name, operands, kind, covered))
        old = found.get(name)
        if old is None or len(row.operands) > len(old.operands):
            found[name] = row
    return found


def operand_list(name, operands, kind, mask):
    named = fields(operands, name)
    if EXTENSIONS[kind] == "A":
        named += ["aq", "rl"]
    if EXTENSIONS[kind] in ("F", "D", "Zfa", "Zfhmin"):
        named = [field for field in named if field != "rm"] + ["rm"] * (mask & 0x7000 == 0)
    if name in ("c.jr", "c.jalr"):
        named = ["rs1"]
    if re.fullmatch(r"vs(\d?r|m|e\d+|s?seg\de\d+|se\d+|[uo]x(seg\d)?ei\d+)\.v|vs[1248]r\.v", name):
        named = ["vs3" if field == "vd" else field for field in named]
    return named


def merge(found, name, parts, field):
    """Rows that differ in a field's value only become one. All its values must be there."""
    first = found[parts[0]]
    values = {found[part].match for part in parts}
    varying = 0
    for value in values:
        varying |= value ^ first.match
    assert len(values) == len(parts) == 1 << varying.bit_count(), name
    assert all(found[part].mask == first.mask for part in parts), name
    extension, operands = first.extension, first.operands + [field]
    for part in parts:
        del found[part]
    found[name] = Row(name, first.mask & ~varying, first.match & ~varying, extension, operands)


def merge_families(found):
    merge(found, "mop.r", [f"mop.r.{n}" for n in range(32)], "n")
    merge(found, "mop.rr", [f"mop.rr.{n}" for n in range(8)], "n")
    merge(found, "c.mop", [f"c.mop.{n}" for n in range(1, 16, 2)], "n")
    for width in (8, 16, 32, 64):
        for one, many in (("vle{}.v", "vlseg{}e{}.v"), ("vse{}.v", "vsseg{}e{}.v"),
                          ("vle{}ff.v", "vlseg{}e{}ff.v"),
                          ("vlse{}.v", "vlsseg{}e{}.v"), ("vsse{}.v", "vssseg{}e{}.v"),
                          ("vluxei{}.v", "vluxseg{}ei{}.v"), ("vloxei{}.v", "vloxseg{}ei{}.v"),
                          ("vsuxei{}.v", "vsuxseg{}ei{}.v"), ("vsoxei{}.v", "vsoxseg{}ei{}.v")):
            name = one.format(width)
            merge(found, name, [name] + [many.format(n, width) for n in range(2, 9)], "nf")


def main():
    source = Path(sys.argv[1])
    found = rows(source)
    merge_families(found)
    encodings = [(row.mask, row.match) for row in found.values()]
    assert len(set(encodings)) == len(encodings), "two names for one encoding"
    version = source.name.removeprefix("binutils-")
    print(f"""\
# The instructions of RVA23U64, and those of S-mode that the emulator has.
#
# Facts of GNU binutils {version} (include/opcode/riscv-opc.h, opcodes/riscv-opc.c; GPL-3.0-or-later,
# whose text is not repeated here), made by scripts/make-encodings.py. Do not edit.
#
# A line is: mnemonic, mask, match, extension, operand fields. Masks of 4 digits are compressed
# instructions; for those, the reserved values of operands are in the manual, not here.""")
    order = list(dict.fromkeys(EXTENSIONS.values())) + ["S"]
    for row in sorted(found.values(), key=lambda r: (order.index(r.extension), r.match, r.name)):
        digits = 8 if row.match & 3 == 3 else 4
        print(f"{row.name:14} {row.mask:0{digits}x} {row.match:0{digits}x} {row.extension:8} "
              f"{','.join(row.operands)}".rstrip())


main()
