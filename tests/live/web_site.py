"""A small site as a target for browsers: a page with a script, an API, events, a WebSocket, cookies and redirects."""

from __future__ import annotations

import asyncio
import threading

from aiohttp import WSMsgType, web

PAGE = """<!doctype html><title>site</title><link rel=stylesheet href=style.css><h1>shop</h1>
<script src=app.js></script>"""
SCRIPT = """
const place = path => new URL(path, document.baseURI);
async function fetched(path, options) {
  const answer = await fetch(path, options);
  return [answer.status, new URL(answer.url).origin === location.origin, await answer.json()];
}
function events(path) {
  return new Promise((done, failed) => {
    const found = [], source = new EventSource(path);
    source.onmessage = each => { found.push(each.data); if (found.length === 3) { source.close(); done(found); } };
    source.onerror = () => failed(new Error('events ended'));
  });
}
function socket(path, words) {
  return new Promise((done, failed) => {
    const found = [], where = place(path);
    where.protocol = 'wss:';
    const socket = new WebSocket(where);
    socket.onopen = () => socket.send(words[0]);
    socket.onmessage = each => {
      found.push(each.data);
      if (found.length < words.length) socket.send(words[found.length]); else { socket.close(); done(found); }
    };
    socket.onclose = each => done([...found, each.code, each.reason]);
    socket.onerror = () => {};
  });
}
const hops = () => performance.getEntriesByType('resource').map(each => each.nextHopProtocol);
document.body.append('the script ran');
"""


class Site:
    """On a port of its own, in a thread of its own.  `cookies` are those that the last request of /api brought, `paths`
    all that were asked for there."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.paths: list[str] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        assert self._up.wait(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._begin())
        self._up.set()
        self._loop.run_forever()

    async def _begin(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/app.js", self._script)
        app.router.add_get("/style.css", self._style)
        app.router.add_get("/old", self._old)
        app.router.add_get("/events", self._events)
        app.router.add_get("/socket", self._socket)
        app.router.add_route("*", "/{rest:.*}", self._api)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]

    async def _page(self, request: web.Request) -> web.Response:
        answer = web.Response(text=PAGE, content_type="text/html")
        answer.set_cookie("sid", "from-the-site", httponly=True)
        answer.set_cookie("told", "domain", domain="127.0.0.1")
        return answer

    async def _script(self, request: web.Request) -> web.Response:
        return web.Response(text=SCRIPT, content_type="text/javascript")

    async def _style(self, request: web.Request) -> web.Response:
        return web.Response(text="h1 { color: rgb(1, 2, 3) }", content_type="text/css")

    async def _old(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://{request.host}/api/new")

    async def _api(self, request: web.Request) -> web.Response:
        self.cookies = dict(request.cookies)
        self.paths.append(request.path)
        body = await request.text()
        return web.json_response({"method": request.method, "path": request.path, "body": body})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for number in range(3):
            await answer.write(b"data: %d\n\n" % number)
            await asyncio.sleep(0.05)
        await asyncio.sleep(60)
        return answer

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
        return socket
