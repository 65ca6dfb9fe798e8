"""counts.py MODULE ARGUMENT...: runs a precompiled module and prints what its export `count` says.

One line on standard error, after what the program has written: instructions executed, those of
translated code, how often translated code was entered, how often it came back at once. Needs
PyPI's wasmtime, of the version of the wasmtime that has compiled the module.
"""

import sys

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig


def main():
    engine = Engine()
    store = Store(engine)
    wasi = WasiConfig()
    wasi.argv = sys.argv[1:]
    wasi.inherit_stdout()
    store.set_wasi(wasi)
    linker = Linker(engine)
    linker.define_wasi()
    instance = linker.instantiate(store, Module.deserialize_file(engine, sys.argv[1]))
    exports = instance.exports(store)
    before = exports["count"](store, 0)
    status = 0
    try:
        exports["_start"](store)
    except ExitTrap as trap:
        status = trap.code
    executed, *translated = (exports["count"](store, which) for which in range(4))
    print(executed - before, *translated, file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
