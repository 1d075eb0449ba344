"""`hookd listen`: a receiver on this machine that shows, and checks, what arrives."""

import os
import sys
from collections import Counter
from typing import Annotated, Any

import typer

from daemon.cli.common import Refused, run

_Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on, 0 for a free one.")]
_Status = Annotated[list[int] | None, typer.Option(help="Status to answer; repeat it for one after the other.")]
_Secret = Annotated[str | None, typer.Option(help="The endpoint's signing key (whsec_…), to check signatures.")]
_Delay = Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait before answering.")]

SHOWN_CHARS = 500


def listen(port: _Port = 9000, status: _Status = None, secret: _Secret = None, delay: _Delay = 0.0) -> None:
    """Receive webhooks on 127.0.0.1, print them, check their signature, answer as told."""
    answers = status or [200]
    if bad := [each for each in answers if not 200 <= each <= 599]:
        raise Refused(f"--status {bad[0]} is no final HTTP status: give 200 to 599")
    run(_listen(port, Listener(answers, secret, delay)))


class Listener:
    """Prints each request in a few lines."""

    def __init__(self, answers: list[int], secret: str | None, delay_s: float) -> None:
        from daemon.signing import BadKey, signer

        self._answers = answers
        self._delay_s = delay_s
        self._seen: Counter[str] = Counter()
        self._count = 0
        try:
            self._sign = None if secret is None else signer(secret)
        except BadKey as bad:
            raise Refused(f"--secret: {bad}") from None

    async def receive(self, request: Any) -> Any:
        """Answer one request."""
        import asyncio

        from aiohttp import web

        from events.wording import safe

        body = await request.read()
        identity = request.headers.get("webhook-id", "")
        self._seen[identity] += 1
        status = self._answers[min(self._count, len(self._answers) - 1)]
        self._count += 1
        nth = f" (attempt {self._seen[identity]} seen here)" if self._seen[identity] > 1 else ""
        print(f"{request.method} {safe(request.path_qs, 200)}  {safe(identity, 64) or 'no webhook-id'}{nth}")
        print(f"  {self._verdict(request.headers, body)}, answered {status}")
        print(f"  {safe(body, SHOWN_CHARS) or '(no body)'}", flush=True)
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        return web.Response(status=status)

    def _verdict(self, headers: Any, body: bytes) -> str:
        import hmac

        if self._sign is None:
            return "signature not checked (give --secret)"
        content = f"{headers.get('webhook-id', '')}.{headers.get('webhook-timestamp', '')}.".encode() + body
        given = headers.get("webhook-signature", "").encode().split()
        good = any(hmac.compare_digest(self._sign(content), each) for each in given)
        return "signature good" if good else "SIGNATURE WRONG"


async def _listen(port: int, listener: Listener) -> None:
    from aiohttp import web

    from daemon.cli.up import stop_signal

    application = web.Application(client_max_size=16 << 20)
    application.router.add_route("*", "/{path:.*}", listener.receive)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        raise Refused(
            f"port {port} cannot be listened on: {os.strerror(error.errno) if error.errno else error}"
        ) from None
    port = runner.addresses[0][1]
    stop = stop_signal()
    print(f"listening on http://127.0.0.1:{port}/ (any path); Ctrl-C ends", file=sys.stderr, flush=True)
    await stop.wait()
    await runner.cleanup()
