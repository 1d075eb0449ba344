"""A server that speaks the live stream and the read routes from a made-up world; also as a process of its own.

python -m tests.tui.fake_daemon --rate 5000 --shown 500      prints its port, then runs until its stdin ends
"""

import argparse
import asyncio
import contextlib
import json
import sys
from typing import Self

from aiohttp import web

from tests.tui.world import World

TOKEN = "an-operators-token"


def sse(name: str, data: object, id_: str = "") -> bytes:
    head = f"event: {name}\n" + (f"id: {id_}\n" if id_ else "")
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class FakeDaemon:
    """Context manager. `script` puts bytes onto every open stream; `world` answers the routes."""

    def __init__(self, world: World | None = None, *, token: str = TOKEN) -> None:
        self.world = world or World()
        self.token = token
        self.refuse: int | None = None
        self.asked: list[str] = []  # paths, with the id to resume from
        self.connected = asyncio.Event()
        self.log: list[dict] = []  # what happened before
        self.acts: list[tuple[str, dict, bool]] = []  # path, body, whether dry
        self.queries: list[dict[str, str]] = []  # of the log
        self.answers: dict[str, dict] = {}  # by the act's last word
        self.acting = asyncio.Event()  # cleared, acts hang
        self.acting.set()
        self._streams: set[asyncio.Queue[bytes | None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/api/v1/live", self._live),
                web.get("/api/v1/log", self._log),
                web.post("/api/v1/{path:(endpoints|deliveries)/.+}", self._act),
                web.get("/api/v1/targets", self._json(lambda _: self.world.targets_page())),
                web.get("/api/v1/overview", self._json(lambda _: self.world.last or self.world.stats())),
                web.get("/api/v1/endpoints/{id}", self._json(lambda at: self.world.endpoint(at["id"]))),
                web.get("/api/v1/messages/{id}", self._json(lambda at: self.world.message_answer(at["id"]))),
                web.get("/api/v1/deliveries/{m}/{e}", self._json(lambda at: self.world.delivery(at["m"], at["e"]))),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop()
        await self._runner.cleanup()

    def send(self, *chunks: bytes) -> None:
        for stream in self._streams:
            for chunk in chunks:
                stream.put_nowait(chunk)

    def drop(self) -> None:
        """End all streams."""
        self.send(*[b""])
        for stream in self._streams:
            stream.put_nowait(None)

    @web.middleware
    async def _guard(self, request: web.Request, handler):
        self.asked.append(f"{request.path} {request.headers.get('Last-Event-ID', '')}".strip())
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"detail": "Invalid token"}, status=401)
        if self.refuse:
            return web.json_response({"detail": "not now"}, status=self.refuse)
        return await handler(request)

    def _json(self, answer):
        async def handler(request: web.Request) -> web.Response:
            return web.json_response(answer(request.match_info))

        return handler

    async def _log(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        return web.json_response({"data": self.log})

    async def _act(self, request: web.Request) -> web.Response:
        path, dry = request.match_info["path"], request.query.get("dryRun") == "true"
        self.acts.append((path, await request.json(), dry))
        name = path.rpartition("/")[2]
        told = {"touches": 3, "touched": 3} | self.answers.get(name, {})
        if not dry:
            await self.acting.wait()
        if told.get("refuse"):
            return web.json_response({"detail": told["detail"]}, status=told["refuse"])
        return web.json_response({"touches": told["touches"]} if dry else {**told, "touches": None})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._streams.add(queue)
        try:
            await response.write(sse("hello", self.world.hello(), self.world.positions))
            self.connected.set()
            while (chunk := await queue.get()) is not None:
                if chunk:
                    await response.write(chunk)
        except ConnectionResetError:
            pass
        finally:
            self._streams.discard(queue)
        return response

    def play(self, shown: int) -> None:
        """Put one second onto the streams at once."""
        events, stats = self.world.second(shown)
        self.send(sse("events", events, self.world.positions), sse("stats", stats))


async def serve(options: argparse.Namespace) -> None:
    """Run in real time: ten frames a second, as the daemon sends them."""
    world = World(endpoints=options.endpoints, rate=options.rate)
    async with FakeDaemon(world) as daemon:
        sys.stdout.write(json.dumps({"url": daemon.url, "token": TOKEN}) + "\n")
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        ended = loop.run_in_executor(None, sys.stdin.read)
        begin, ticks = loop.time(), 0
        while not ended.done():
            events, stats = world.second(options.shown)
            if options.hostile:
                spoil(events, stats)
            for tenth in range(10):
                slice_ = events[tenth * len(events) // 10 : (tenth + 1) * len(events) // 10]
                daemon.send(sse("events", slice_, world.positions))
                ticks += 1
                await asyncio.sleep(max(begin + ticks / 10 - loop.time(), 0))
            skipped = max(options.rate * 2 - options.shown, 0)
            daemon.send(*([sse("skipped", {"count": skipped, "positions": world.positions})] if skipped else []))
            daemon.send(sse("stats", stats))


def spoil(events: list[dict], stats: dict) -> None:
    """Hostile text wherever a stranger can put some."""
    from tests.tui.hostile import SENDABLE

    texts = [text[:20_000] for text in SENDABLE]  # some of it every second

    for at, event in enumerate(events):
        text = texts[at % len(texts)]
        for name in ("event_type", "detail", "reason", "fault"):
            if name in event["body"]:
                event["body"][name] = text
        event["actor"] = text
    for at, target in enumerate(stats["targets"]):
        target["url"] = texts[at % len(texts)]
        target["breakerReason"] = texts[(at + 1) % len(texts)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--shown", type=int, default=100)
    parser.add_argument("--endpoints", type=int, default=24)
    parser.add_argument("--hostile", action="store_true")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))
