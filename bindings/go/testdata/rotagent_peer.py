"""rotagent 0.1.0 as its users have it, for the Go package's tests.

``serve KEYS_DIR``: a Flask agent; prints its URL, and ends with its standard input.
``call URL ISSUER KEY_FILE``: sends one request and prints the agent's answer as JSON.
"""

import asyncio
import json
import sys
import threading
from pathlib import Path

import aiohttp
import rotagent
from flask import Flask, jsonify, request
from werkzeug.serving import make_server


def serve(keys_dir: str) -> None:
    app = Flask("rotagent")
    auth = rotagent.AgentAuth(keys_dir, dev_mode=False)

    @app.post("/agent")
    @auth.require_auth
    def agent():
        return jsonify(served_by="rotagent", got=request.get_json())

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


async def call(url: str, issuer: str, private_pem: str) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await rotagent.OrchestratorClient.send_secure_request(
            session=session,
            url=url,
            payload={"query": "What movies are playing?", "ä": 1},
            issuer_id=issuer,
            private_key_pem=private_pem,
        )
    print(json.dumps(answer))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        url, issuer, key_file = sys.argv[2:]
        asyncio.run(call(url, issuer, Path(key_file).read_text()))
