"""The smallest gateway there is, for tests: passes bytes between a port and the fake provider.

Arguments: the port to listen on, and the provider's.
"""

import asyncio
import sys


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while part := await source.read(65536):
        sink.write(part)
        await sink.drain()
    sink.close()


async def main(port: int, provider_port: int) -> None:
    """Serves until it is ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        provider_reader, provider_writer = await asyncio.open_connection("127.0.0.1", provider_port)
        await asyncio.gather(_pump(reader, provider_writer), _pump(provider_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
