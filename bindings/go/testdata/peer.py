"""One agent, authority or store of the Python package, for tests of the Go package.

Reads a JSON array from each line of stdin, the name of a task and its arguments, and answers each
with one line: {"ok": ...}, or {"error": code}.
"""

import json
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain

from tallystick import Authority, AuthSkill, PostgreSQLStore, RedisStore, SQLiteStore
from tallystick.errors import TallystickError

endpoint = kept = None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        served = endpoint.serve(
            self.command,
            self.path.partition("?")[0],
            authorization=self.headers.get_all("authorization") or [],
            content_type=self.headers.get("content-type", ""),
            body=body,
        )
        self.send_response(404 if served is None else served.status)
        content = b"" if served is None else served.body.encode()
        headers = {} if served is None else dict(served.headers)
        headers["content-length"] = str(len(content))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"


def agent(options):
    global endpoint
    options = {"base_url": url, "dev_mode": True, "store": "memory:", **options}
    endpoint = AuthSkill(**options)
    return url


def authority(options):
    global endpoint
    options = {"store": "memory:", **options}
    endpoint = Authority(options.pop("url", url), **options)
    return url


def token(target, scopes):
    return endpoint.authorize(target, scopes)["Authorization"].removeprefix("Bearer ")


def bound(target, method, to, body):
    headers = endpoint.authorize(target, method=method, url=to, body=body, bind=True)
    return headers["Authorization"].removeprefix("Bearer ")


def verify(made):
    return endpoint.verify_token(made).to_dict()


def verify_request(made, method, path, body):
    return endpoint.verify("Bearer " + made, method=method, path=path, body=body.encode()).to_dict()


def register(client_id, options):
    return endpoint.register_client(client_id, **options).client_secret


def register_many(prefix, count, key):
    for number in range(count):
        endpoint.register_client(f"{prefix}{number}", public_key=key, scopes=["read"])


def clients():
    return [client.client_id for client in endpoint.list_clients()]


def revoke_many(count):
    return [endpoint.rotate_keys(revoke=True)["active"] for _ in range(count)]


def rotate():
    return endpoint.rotate_keys(force=True)["active"]


stores = {"sqlite": SQLiteStore, "redis": RedisStore, "postgresql": PostgreSQLStore}


def store(kind, where):
    """Open a store, and use it once: its connection and its tables are there then."""
    global kept
    kept = stores[kind](where, timeout=60)
    return kept.get("0" * 32)


def claim(name, seconds):
    return kept.claim(name, seconds)


def claim_all(ids):
    """Claim each id four times, in four orders at once; return those that were free."""

    def claim_some(_):
        return [name for name in random.sample(ids, len(ids)) if kept.claim(name, 600)]

    with ThreadPoolExecutor(4) as threads:
        return list(chain.from_iterable(threads.map(claim_some, range(4))))


def put(name, value, seconds):
    kept.put(name, bytes.fromhex(value), seconds)


def get(name):
    return hex_of(kept.get(name))


def take(name):
    return hex_of(kept.take(name))


def hex_of(value):
    return None if value is None else value.hex()


def read(name):
    found = kept.read(name)
    return None if found is None else {"version": found[0], "value": found[1].hex()}


def write(name, expected_version, value):
    return kept.write(name, expected_version, bytes.fromhex(value))


tasks = [agent, authority, token, bound, verify, verify_request, register, register_many, clients]
tasks += [revoke_many, rotate, store, claim, claim_all, put, get, take, read, write]
by_name = {task.__name__: task for task in tasks}
for line in sys.stdin:
    name, *arguments = json.loads(line)
    try:
        said = {"ok": by_name[name](*arguments)}
    except TallystickError as refused:
        said = {"error": refused.code, "message": refused.message}
    print(json.dumps(said), flush=True)
