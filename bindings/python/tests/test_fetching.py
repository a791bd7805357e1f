"""The need ``fetch``, over real connections: limits, redirects, addresses, single flight."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
import trustme

from servers import Handler, serving, trusting
from support import DEADLINE, in_child
from tallystick._access.addresses import AddressRefusedError, CheckedBackend
from tallystick._access.fetching import Fetcher
from tallystick._access.flights import Flights
from tallystick._core.loading import load_core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tallystick._core.engine import Reply

pytestmark = pytest.mark.medium


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def fetcher(ca: trustme.CA) -> Iterator[Fetcher]:
    fetcher = Fetcher(load_core(), trusting(ca))
    yield fetcher
    fetcher.close()


def need(url: str, **members: Any) -> dict[str, Any]:
    return {
        "kind": "fetch",
        "flight": 1,
        "method": "GET",
        "url": url,
        "headers": {"accept": "application/json"},
        "redirects": 0,
        "address": "any",
        "max_bytes": 1000,
        "timeout": 5,
        "read": ["content-type", "etag"],
        **members,
    }


def said(reply: Reply) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(f"{{{reply[0]}}}")
    return members


def failure(reply: Reply) -> str:
    assert reply[1] == b""
    return str(said(reply)["failed"])


def test_one_answer_with_the_headers_that_are_read(fetcher: Fetcher) -> None:
    seen: dict[str, str] = {}

    def behave(handler: Handler) -> None:
        seen.update({name.lower(): value for name, value in handler.headers.items()})
        handler.answer(b"{}", etag='"1"', x_other="1", set_cookie="a=b")

    with serving(behave) as site:
        reply = fetcher.fetch(need(site.url + "/keys?x=1"))
        again = fetcher.fetch(need(site.url + "/keys?x=1"))
    assert reply == again
    assert said(reply) == {
        "status": 200,
        "headers": {"content-type": "application/json", "etag": '"1"'},
    }
    assert reply[1] == b"{}"
    assert seen["accept"] == "application/json"
    assert seen["accept-encoding"] == "identity"
    assert seen["host"] == f"localhost:{site.port}"
    assert "cookie" not in seen
    assert len(site.connections) == 1


def test_a_form_is_posted(fetcher: Fetcher) -> None:
    def behave(handler: Handler) -> None:
        handler.json([handler.command, handler.body.decode(), handler.headers["content-type"]])

    form = {"content-type": "application/x-www-form-urlencoded"}
    with serving(behave) as site:
        reply = fetcher.fetch(need(site.url, method="POST", body="a=b", headers=form))
    assert json.loads(reply[1]) == ["POST", "a=b", form["content-type"]]


def test_an_error_status_is_the_cores_to_judge(fetcher: Fetcher) -> None:
    with serving(lambda handler: handler.answer(b"no", 503, "text/html")) as site:
        reply = fetcher.fetch(need(site.url))
    assert said(reply)["status"] == 503
    assert reply[1] == b"no"


@pytest.mark.parametrize(("length", "fits"), [(1000, True), (1001, False)])
def test_the_size_is_limited(fetcher: Fetcher, length: int, fits: bool) -> None:
    with serving(lambda handler: handler.answer(b"x" * length)) as site:
        reply = fetcher.fetch(need(site.url))
    if fits:
        assert len(reply[1]) == length
    else:
        assert "over 1000 bytes" in failure(reply)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def test_an_endless_body_is_not_read_to_its_end(fetcher: Fetcher) -> None:
    with serving(endless) as site:
        assert "over 1000 bytes" in failure(fetcher.fetch(need(site.url)))


def drop_by_drop(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def test_the_time_limit_is_for_everything_and_not_for_each_byte(fetcher: Fetcher) -> None:
    with serving(drop_by_drop) as site:
        reply = fetcher.fetch(need(site.url, timeout=0.5))
    assert failure(reply) == "no whole answer within 0.5 seconds"


def test_a_server_that_never_answers(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "within 0.3 seconds" in failure(fetcher.fetch(need(url, timeout=0.3)))


def test_nobody_listens(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failure(fetcher.fetch(need(f"http://127.0.0.1:{port}")))


def test_a_name_that_does_not_exist(fetcher: Fetcher) -> None:
    assert failure(fetcher.fetch(need("http://nobody.invalid/")))


def test_a_compressed_answer_is_refused(fetcher: Fetcher) -> None:
    with serving(lambda handler: handler.answer(b"x", content_encoding="gzip")) as site:
        assert "compressed" in failure(fetcher.fetch(need(site.url)))
    with serving(lambda handler: handler.answer(b"x", content_encoding="identity")) as site:
        assert fetcher.fetch(need(site.url))[1] == b"x"


def hopping(times: int) -> Any:
    def behave(handler: Handler) -> None:
        hop = int(handler.path.rsplit("/", 1)[1])
        if hop < times:
            handler.answer(status=302, location=f"/hop/{hop + 1}")
        else:
            handler.answer(b"there")

    return behave


def test_redirects_are_followed_up_to_the_limit(fetcher: Fetcher, ca: trustme.CA) -> None:
    with serving(hopping(2), ca) as site:
        reply = fetcher.fetch(need(site.url + "/hop/0", redirects=2))
        assert reply[1] == b"there"
        assert "more than 1 redirects" in failure(
            fetcher.fetch(need(site.url + "/hop/0", redirects=1))
        )
        unfollowed = fetcher.fetch(need(site.url + "/hop/0", redirects=0))
    assert said(unfollowed)["status"] == 302


def test_redirects_go_from_https_to_https_alone(fetcher: Fetcher, ca: trustme.CA) -> None:
    with serving(hopping(0)) as plain:

        def down(handler: Handler) -> None:
            handler.answer(status=302, location=plain.url + "/hop/0")

        with serving(down, ca) as site:
            refused = fetcher.fetch(need(site.url, redirects=3))
        assert "https to https" in failure(refused)
        assert plain.seen == []
    with serving(hopping(1)) as plain:
        assert "https to https" in failure(fetcher.fetch(need(plain.url + "/hop/0", redirects=3)))


def test_redirects_without_a_place_or_with_user_info(fetcher: Fetcher, ca: trustme.CA) -> None:
    with serving(hopping(0), ca) as there:

        def behave(handler: Handler) -> None:
            user = {"/user": "user@", "/password": "user:secret@", "/none": ""}.get(handler.path)
            place = there.url.replace("https://", f"https://{user}") + "/hop/0"
            if user is None:
                handler.answer(status=302)
            else:
                handler.answer(status=302, location=place)

        with serving(behave, ca) as site:
            for path in ("/user", "/password"):
                assert "user info" in failure(fetcher.fetch(need(site.url + path, redirects=3)))
            assert there.seen == []
            assert fetcher.fetch(need(site.url + "/none", redirects=3))[1] == b"there"
            site.seen.clear()
            assert said(fetcher.fetch(need(site.url + "/x", redirects=3)))["status"] == 302
            assert len(site.seen) == 1


def test_a_post_is_never_sent_on(fetcher: Fetcher, ca: trustme.CA) -> None:
    with serving(hopping(1), ca) as site:
        reply = fetcher.fetch(need(site.url + "/hop/0", method="POST", body="s", redirects=3))
        assert said(reply)["status"] == 302
        assert len(site.seen) == 1


def test_an_unknown_certificate_is_refused(fetcher: Fetcher) -> None:
    with serving(hopping(0), trustme.CA()) as site:
        assert "CERTIFICATE_VERIFY_FAILED" in failure(fetcher.fetch(need(site.url + "/hop/0")))


def test_proxies_of_the_environment_are_ignored(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(hopping(0)) as site:
        assert fetcher.fetch(need(site.url + "/hop/0"))[1] == b"there"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433"])
def test_a_strangers_url_leads_to_no_private_address(fetcher: Fetcher, host: str) -> None:
    with serving(hopping(0)) as site:
        reply = fetcher.fetch(need(f"http://{host}:{site.port}/hop/0", address="public"))
        assert failure(reply)
        assert site.seen == []
        assert fetcher.fetch(need(f"http://127.0.0.1:{site.port}/hop/0"))[1] == b"there"


def test_the_log_says_which_address_was_refused(fetcher: Fetcher) -> None:
    reply = fetcher.fetch(need("https://127.0.0.1/", address="public"))
    assert "127.0.0.1, which is not public" in failure(reply)


def test_a_connection_for_configured_urls_is_not_used_for_strangers(fetcher: Fetcher) -> None:
    with serving(hopping(0)) as site:
        url = site.url + "/hop/0"
        assert fetcher.fetch(need(url))[1] == b"there"
        assert failure(fetcher.fetch(need(url, address="public")))


class Gate:
    """Answers nobody before it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked = threading.Event()

    def __call__(self, handler: Handler) -> None:
        self.asked.set()
        self.open.wait(DEADLINE)
        handler.answer(handler.path.encode())


class CountedFlights(Flights[Any]):
    """Counts who has joined, so that a test knows when all are aboard."""

    def __init__(self) -> None:
        super().__init__()
        self.joined: list[None] = []

    def join(self, key: Any, start: Any) -> Any:
        flight = super().join(key, start)
        self.joined.append(None)
        return flight


def test_many_threads_and_tasks_make_one_request(fetcher: Fetcher) -> None:
    gate = Gate()
    fetcher._flights = flights = CountedFlights()
    with serving(gate) as site, ThreadPoolExecutor(65) as pool:
        wanted = need(site.url + "/a", timeout=DEADLINE)
        threads = [pool.submit(fetcher.fetch, wanted) for _ in range(64)]

        async def tasks() -> list[Reply]:
            return await asyncio.gather(*(fetcher.afetch(wanted) for _ in range(64)))

        loop = pool.submit(asyncio.run, tasks())
        while len(flights.joined) < 128:
            assert not any(thread.done() for thread in threads)
            time.sleep(0.01)
        gate.open.set()
        replies = [thread.result(DEADLINE) for thread in threads] + loop.result(DEADLINE)
        assert {reply[1] for reply in replies} == {b"/a"}
        assert len(site.seen) == 1


def test_another_flight_is_another_request(fetcher: Fetcher) -> None:
    with serving(lambda handler: handler.answer(handler.path.encode())) as site:
        first = fetcher.fetch(need(site.url + "/a"))
        # An engine that was opened again counts anew: the URL tells them apart.
        second = fetcher.fetch(need(site.url + "/b"))
    assert (first[1], second[1]) == (b"/a", b"/b")


def test_whoever_gives_up_does_not_end_it_for_the_others(fetcher: Fetcher) -> None:
    gate = Gate()
    with serving(gate) as site:
        wanted = need(site.url + "/a", timeout=DEADLINE)

        async def race() -> Reply:
            impatient = asyncio.ensure_future(fetcher.afetch(wanted))
            patient = asyncio.ensure_future(fetcher.afetch(wanted))
            await asyncio.to_thread(gate.asked.wait, DEADLINE)
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            gate.open.set()
            return await patient

        assert asyncio.run(race())[1] == b"/a"
        assert len(site.seen) == 1


def test_a_child_fetches_and_leaves_the_parents_connections_alone(fetcher: Fetcher) -> None:
    with serving(lambda handler: handler.json(os.getpid())) as site:
        assert fetcher.fetch(need(site.url))[1]
        assert in_child(lambda: said(fetcher.fetch(need(site.url)))["status"]) == 200
        assert fetcher.fetch(need(site.url))[1]
        assert len(site.connections) == 2


def test_a_child_forked_amid_a_fetch_starts_its_own(fetcher: Fetcher) -> None:
    gate = Gate()
    with serving(gate) as site, ThreadPoolExecutor(1) as pool:
        wanted = need(site.url + "/a", timeout=DEADLINE)
        under_way = pool.submit(fetcher.fetch, wanted)
        assert gate.asked.wait(DEADLINE)

        def work() -> str:
            return fetcher.fetch({**wanted, "timeout": 0.2})[0]

        assert "within 0.2 seconds" in in_child(work)
        gate.open.set()
        assert under_way.result(DEADLINE)[1] == b"/a"


def test_a_closed_fetcher_opens_again(fetcher: Fetcher) -> None:
    with serving(hopping(0)) as site:
        assert fetcher.fetch(need(site.url + "/hop/0"))[1] == b"there"
        fetcher.close()
        assert fetcher.fetch(need(site.url + "/hop/0"))[1] == b"there"


def test_a_program_ends_while_a_fetch_is_under_way() -> None:
    program = """
import socket, threading
from tallystick._access.fetching import Fetcher
from tallystick._core.loading import load_core
silent = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{silent.getsockname()[1]}"
need = {"flight": 1, "method": "GET", "url": url, "redirects": 0, "address": "any",
        "max_bytes": 1, "timeout": 3600, "read": []}
fetcher = Fetcher(load_core())
threading.Thread(target=fetcher.fetch, args=(need,), daemon=True).start()
silent.accept()[0].detach()
silent.detach()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_python_verifies_certificates_as_it_does_by_default() -> None:
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED
    untrusting = Fetcher(load_core())
    with serving(hopping(0), trustme.CA()) as site:
        assert "CERTIFICATE_VERIFY_FAILED" in failure(untrusting.fetch(need(site.url + "/hop/0")))
    untrusting.close()


def through(judge: Any, ca: trustme.CA, url: str) -> bytes:
    """Fetch over a connection whose addresses ``judge`` has to like."""

    async def get() -> bytes:
        async with httpcore.AsyncConnectionPool(
            ssl_context=trusting(ca), network_backend=CheckedBackend(judge)
        ) as pool:
            return (await pool.request("GET", url)).content

    return asyncio.run(get())


def test_a_judged_address_is_connected_to_under_its_own_name(ca: trustme.CA) -> None:
    judged: list[str] = []

    def like(address: str) -> bool:
        judged.append(address)
        return True

    def behave(handler: Handler) -> None:
        handler.answer(handler.headers["host"].encode())

    with serving(behave, ca) as site:
        # The certificate is for the name, not for the address.
        assert through(like, ca, site.url) == f"localhost:{site.port}".encode()
        assert "127.0.0.1" in judged
        with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            through(like, ca, f"https://127.0.0.1:{site.port}")
        # One address that is not liked is one too many.
        with pytest.raises(AddressRefusedError):
            through(lambda address: ":" in address, ca, site.url)


CLOSES = """
import asyncio, sys
from tallystick._access.background import background
async def work(seconds, text):
    await asyncio.sleep(seconds)
    print(text, flush=True)
background.start(work(3600, "fetched"))
background.start(work(0.2, "closed"), closes=True)
"""


def test_a_program_ends_when_its_connections_are_closed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSES],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("closed\n", 0)
