"""servers.py KIND PORT [FOLDER]: a server on 127.0.0.1 for the cases of scripts/network.sh."""

import asyncio
import functools
import http.server
import os
import resource
import socket
import sys


class Files(http.server.SimpleHTTPRequestHandler):
    """A folder; PUT adds a file to it."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        with open(self.translate_path(self.path), "wb") as file:
            while left > 0:
                data = self.rfile.read(min(left, 65536))
                if not data:
                    raise ConnectionError("the request ended early")
                file.write(data)
                left -= len(data)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


def files(port, folder):
    handler = functools.partial(Files, directory=folder)
    http.server.ThreadingHTTPServer(("127.0.0.1", port), handler).serve_forever()


def udp(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        while True:
            server.sendto(*server.recvfrom(70_000))


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def tcp(port):
    server = await asyncio.start_server(echo, "127.0.0.1", port, backlog=2000)
    await server.serve_forever()


async def websocket(port):
    import websockets

    async def each(connection, path=None):
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(each, "127.0.0.1", port):
        await asyncio.get_running_loop().create_future()


kind, port, *folder = sys.argv[1:]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
serve = {"files": files, "udp": udp, "tcp": tcp, "websocket": websocket}[kind]
running = serve(int(port), *folder)
if running:
    asyncio.run(running)
