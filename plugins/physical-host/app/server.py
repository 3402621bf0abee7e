"""The application: here a server of two pages. Put your own in its place."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open(sys.argv[1], encoding="utf-8") as file:
    CONFIG = json.load(file)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.headers.get("Host", "").split(":")[0]
        if name not in CONFIG["allowed_hosts"] and "*" not in CONFIG["allowed_hosts"]:
            return self.answer(400, "this name is not known here\n")
        if self.path == "/health":
            return self.answer(200, "ok\n")
        self.answer(200, f"It works, at log level {CONFIG['log_level']}, as {os.environ.get('USER', '?')}.\n")

    def answer(self, code, text):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text, *values):
        if CONFIG["log_level"] in ("debug", "info"):
            super().log_message(text, *values)


ThreadingHTTPServer(("127.0.0.1", CONFIG["port"]), Handler).serve_forever()
