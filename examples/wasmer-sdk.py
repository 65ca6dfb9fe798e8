#!/usr/bin/env python3
# Runs a module under wasmer, by its Python SDK (PyPI's wasmer-sdk), as a WASI runtime with a command
# line would:
#
#     wasmer-sdk.py [--env NAME=VALUE]... out.wasm [ARG...]
#
# Compiled code is kept in c2w/wasmer of the user's cache. The SDK maps no directories of the host.
# Copy and change it as you like.
import asyncio
import os
import signal
import sys
from pathlib import Path

from wasmer_sdk import PackageCommandDefinition, PackageDefinition, Wasmer

CHUNK = 64 << 10


def fail(message):
    print(f"wasmer-sdk.py: {message}", file=sys.stderr)
    sys.exit(125)


def command_line(words):
    environment = {}
    while words[:1] == ["--env"]:
        name, separator, value = words[1].partition("=") if len(words) > 1 else ("", "", "")
        if not separator:
            fail("--env: NAME=VALUE is wanted")
        environment[name] = value
        words = words[2:]
    if not words:
        fail("which module?")
    return environment, words[0], words[1:]


def read_input():
    try:
        return os.read(0, CHUNK)
    except OSError:
        return b""


async def feed(process):
    while data := await asyncio.to_thread(read_input):
        await process.stdin.write(data)
    await process.stdin.close()


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


async def drain(stream, descriptor):
    async for data in stream:
        await asyncio.to_thread(write_all, descriptor, data)


async def run(environment, module, arguments):
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "c2w/wasmer"
    definition = PackageDefinition(
        modules={"module": Path(module).read_bytes()},
        commands={"run": PackageCommandDefinition(module="module")},
        entrypoint="run",
    )
    async with Wasmer(cache_root=cache) as wasmer, await wasmer.sandboxes.create() as sandbox:
        package = await sandbox.install_package(await wasmer.packages.create(definition))
        process = await sandbox.command(package, arguments, env=environment).spawn(stdin="pipe")
        # A thread that waits for input would keep this program from its end.
        feeding = asyncio.create_task(feed(process))
        try:
            await asyncio.gather(drain(process.stdout, 1), drain(process.stderr, 2))
        except BrokenPipeError:
            # The SDK cannot tell the module that nobody reads: end as most programs do.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGPIPE)
        status = (await process.wait()).exit_code
        feeding.cancel()
        os._exit(status & 0xFF)


asyncio.run(run(*command_line(sys.argv[1:])))
