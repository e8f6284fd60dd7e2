"""A small site as a target for browsers: a page with a script, an API, events, a WebSocket, cookies and redirects; a
login by a form, a service worker, a stream and a file of which parts may be asked for."""

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
async function streamed(path, between) {
  const reader = (await fetch(path)).body.getReader(), found = [], words = new TextDecoder();
  for (let each = await reader.read(); !each.done; each = await reader.read()) {
    found.push(words.decode(each.value));
    if (found.length === 1) await fetch(between);
  }
  return found;
}
async function part(path, range) {
  const answer = await fetch(path, {headers: {Range: range}});
  return [answer.status, [...new Uint8Array(await answer.arrayBuffer())]];
}
async function worked(path, wide) {
  const own = (await navigator.serviceWorker.register(path)).scope;
  const all = await navigator.serviceWorker.register(path, {scope: wide}).then(each => each.scope, each => each.name);
  await navigator.serviceWorker.ready;
  while (!navigator.serviceWorker.controller) await new Promise(done => setTimeout(done, 50));
  return [new URL(own).pathname, all, await (await fetch('of-the-worker')).text()];
}
const hops = () => performance.getEntriesByType('resource').map(each => each.nextHopProtocol);
document.body.append('the script ran');
"""
WORKER = """
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', each => each.waitUntil(clients.claim()));
self.addEventListener('fetch', each => {
  if (each.request.url.includes('of-the-worker')) each.respondWith(new Response('by the worker'));
});
"""
FORM = "<form method=post action=login><input name=password type=password></form>"
FILE = bytes(range(256)) * 4096


class Site:
    """On a port of its own, in a thread of its own.  `cookies` are those that the last request of /api brought, `paths`
    all that were asked for there."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.paths: list[str] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._read = asyncio.Event()  # somebody was at home
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
        app.router.add_get("/worker.js", self._worker)
        app.router.add_get("/file", self._file)
        app.router.add_get("/stream", self._stream)
        app.router.add_route("*", "/login", self._login)
        app.router.add_get("/home", self._home)
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

    async def _worker(self, request: web.Request) -> web.Response:
        return web.Response(text=WORKER, content_type="text/javascript", headers={"Service-Worker-Allowed": "/"})

    async def _file(self, request: web.Request) -> web.Response:
        asked = request.http_range
        if asked.start is None:
            return web.Response(body=FILE)
        told = {"Content-Range": f"bytes {asked.start}-{asked.stop - 1}/{len(FILE)}"}
        return web.Response(status=206, body=FILE[asked], headers=told)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        self._read.clear()
        await answer.write(b"one")
        await self._read.wait()
        await answer.write(b"two")
        return answer

    async def _login(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return web.Response(text=FORM, content_type="text/html")
        if (await request.post()).get("password") != "hush-hush":
            return web.Response(status=401)
        home = web.HTTPSeeOther("/home")
        home.set_cookie("session", "of-ada", httponly=True, secure=True, samesite="Strict", path="/")
        raise home

    async def _home(self, request: web.Request) -> web.Response:
        self._read.set()
        who = "ada" if request.cookies.get("session") == "of-ada" else "nobody"
        return web.Response(text=f"<h1>{who}</h1>", content_type="text/html")

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
