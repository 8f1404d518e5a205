"""HTTP on this machine alone: GET and HEAD, from browsers that name this machine."""

from __future__ import annotations

import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast

from reft_lab.errors import BadInput
from reft_lab.text import one_line

if TYPE_CHECKING:
    from reft_lab.cli.serve.pages import Answer, Pages

ADDRESS = "127.0.0.1"
LOCAL = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?", re.IGNORECASE)  # any port, for `ssh -L`
HEADERS = {
    "Cache-Control": "no-cache",  # the browser keeps it, and asks whether it has changed
    "Content-Security-Policy": "frame-ancestors 'none'",  # beside the page's own
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server(ThreadingHTTPServer):
    """Serves `pages` on a port of this machine; 0 takes any that is free."""

    daemon_threads = True

    def __init__(self, pages: Pages, port: int):
        self.pages = pages
        super().__init__((ADDRESS, port), Handler)

    @property
    def url(self) -> str:
        """Where its first page is."""
        return f"http://{ADDRESS}:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "reft_lab"
    sys_version = ""
    timeout = 60  # seconds that a connection may be idle

    def do_GET(self) -> None:
        """Answer with a page or a file."""
        self._answer()

    def do_HEAD(self) -> None:
        """The same without the content."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""

    def _answer(self) -> None:
        # The page of another site whose name was made to mean this machine (DNS rebinding) still names that site.
        if not LOCAL.fullmatch(self.headers.get("Host", "")):
            self._say(HTTPStatus.FORBIDDEN, f"This answers browsers of this machine only, as http://{ADDRESS}.")
            return
        try:
            answer = cast(Server, self.server).pages.at(self.path)
        except LookupError:
            self._say(HTTPStatus.NOT_FOUND, "There is no such run, study or file.")
        except (BadInput, OSError) as error:
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, f"It cannot be read: {one_line(error)}")
        else:
            self._give(answer)

    def _give(self, answer: Answer) -> None:
        if answer.elsewhere is not None:
            self._send(HTTPStatus.FOUND, {"Location": answer.elsewhere}, b"")
        elif self.headers.get("If-None-Match") == answer.tag:
            self._send(HTTPStatus.NOT_MODIFIED, {"ETag": answer.tag}, b"")
        else:
            self._send(HTTPStatus.OK, {"ETag": answer.tag, "Content-Type": answer.kind}, answer.content)

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, {"Content-Type": "text/plain; charset=utf-8"}, f"{sentence}\n".encode())

    def _send(self, status: HTTPStatus, headers: dict[str, str], content: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in (HEADERS | headers).items():
                self.send_header(name, value)
            if status != HTTPStatus.NOT_MODIFIED:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True
