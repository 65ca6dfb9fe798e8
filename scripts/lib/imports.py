"""Prints what Rust files name of their own crate and of the workspace's others, one path a line:
`FILE:LINE: crate::module::item`. Lists in braces are expanded, `super` and `self` are resolved."""

import pathlib
import re
import sys

PATH = re.compile(r"\b(?:crate|super|self|c2w_\w+)(?:::\w+)+")


def module_of(file):
    """The module path of a file, from its crate's `src` on."""
    parts = list(file.parts)
    start = len(parts) - parts[::-1].index("src") if "src" in parts else len(parts) - 1
    names = [*parts[start:-1], file.stem]
    return names[:-1] if names[-1] in ("mod", "lib", "main") else names


def expand(tree):
    """`a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`."""
    start = tree.find("{")
    if start < 0:
        return [tree.split(" as ")[0].strip()]
    depth, item, items = 0, "", []
    for char in tree[start + 1:tree.rindex("}")] + ",":
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            items.append(item.strip())
            item = ""
        else:
            item += char
    prefix = tree[:start].strip()
    return [path for item in items if item for path in expand(prefix + item)]


def resolve(path, module):
    """A path that begins with `super` or `self`, from the crate on."""
    parts = path.split("::")
    if parts[0] not in ("super", "self"):
        return path
    while parts and parts[0] in ("super", "self"):
        if parts.pop(0) == "super":
            module = module[:-1]
    return "::".join(["crate", *module, *parts])


def main():
    for name in sys.argv[1:]:
        file = pathlib.Path(name)
        text = re.sub(r"//[^\n]*", "", file.read_text())
        module = module_of(file)
        for statement in re.finditer(r"\buse\s+([^;]+);", text):
            line = text.count("\n", 0, statement.start()) + 1
            tree = " ".join(statement[1].split())
            for path in expand(tree):
                print(f"{name}:{line}: {resolve(path, module)}")
        for found in PATH.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            print(f"{name}:{line}: {resolve(found[0], module)}")


main()
