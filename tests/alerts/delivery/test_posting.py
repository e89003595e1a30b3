"""What each way of failing says about whether a message may have been taken."""

import socket
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpcore2
import pytest

from coalmine_alerts.delivery.posting import Poster, Rejected
from coalmine_alerts.errors import Ambiguous, Later, Unusable
from tests.support.servers.receiver import Fault, Receiver


@pytest.fixture
def poster() -> Poster:
    return Poster(secrets=("s3cret-s3cret",))


def post(poster: Poster, server: Receiver) -> bytes:
    return poster.post(f"{server.url}/x", b"{}", {"Content-Type": "application/json"}).body


def test_an_answer_is_taken(poster: Poster, server: Receiver) -> None:
    assert post(poster, server) == b"ok"


@pytest.mark.parametrize("fault", ["drop", "500", "503", "accept_and_drop", "accept_and_500"])
def test_these_may_have_been_taken(fault: Fault, poster: Poster, server: Receiver) -> None:
    server.faults.append(fault)
    with pytest.raises(Ambiguous):
        post(poster, server)


def test_a_server_that_hangs_may_have_taken_it(server: Receiver) -> None:
    server.faults.append("hang")
    poster = Poster(secrets=(), timeout_s=0.2)
    with pytest.raises(Ambiguous, match="ReadTimeout"):
        post(poster, server)


def test_an_answer_that_comes_byte_by_byte_ends_in_time() -> None:
    written: list[int] = []

    def dribble(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for number in range(2_000):
                connection.sendall(b"x: y\r\n")
                written.append(number)
                time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        served = thread.submit(lambda: dribble(listening.accept()[0]))
        slow = Poster(secrets=(), timeout_s=0.2)
        with pytest.raises(Ambiguous, match="ReadTimeout"):
            slow.post(f"http://127.0.0.1:{listening.getsockname()[1]}/x", b"{}", {})
        served.result()
    assert len(written) < 1_000


@pytest.mark.parametrize(("status", "error"), [("429 Slow", Later), ("404 Gone", Unusable), ("200 OK", None)])
def test_of_an_answer_that_breaks_off_the_status_counts(status: str, error: type[Exception] | None) -> None:
    answer = f"HTTP/1.1 {status}\r\nRetry-After: 7\r\nContent-Length: 100\r\n\r\nwhat"

    def break_off(connection: socket.socket) -> None:
        with connection:
            connection.recv(10_000)
            connection.sendall(answer.encode())

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        served = thread.submit(lambda: break_off(listening.accept()[0]))
        poster = Poster(secrets=())
        with nullcontext() if error is None else pytest.raises(error) as caught:
            poster.post(f"http://127.0.0.1:{listening.getsockname()[1]}/x", b"{}", {})
        assert caught is None or getattr(caught.value, "retry_after_s", None) == (
            7 if "429" in status else None
        )
        served.result()


def test_json_that_nests_without_end_may_have_been_taken(poster: Poster, server: Receiver) -> None:
    server.handle = lambda _: (200, {}, b"[" * 200_000)
    with pytest.raises(Ambiguous):
        poster.post(f"{server.url}/x", b"{}", {}).json()


@pytest.mark.parametrize("status", [302, 401, 403, 404, 410])
def test_these_wait_until_the_channel_is_mended(status: int, poster: Poster, server: Receiver) -> None:
    server.handle = lambda _: (status, {}, b"you may not, s3cret-s3cret")
    with pytest.raises(Unusable, match=str(status)) as caught:
        post(poster, server)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_these_are_refused_for_good(status: int, poster: Poster, server: Receiver) -> None:
    server.handle = lambda _: (status, {}, b"you may not, s3cret-s3cret\x1b[2J")
    with pytest.raises(Rejected) as caught:
        post(poster, server)
    assert caught.value.status == status
    assert "s3cret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("status", [408, 425])
def test_these_statuses_pass(status: int, poster: Poster, server: Receiver) -> None:
    server.handle = lambda _: (status, {}, b"")
    with pytest.raises(Ambiguous):
        post(poster, server)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("30", 30.0),
        ("0.5", 0.5),
        ("-5", 0.0),
        ("1e9", 86_400.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after_is_read(
    given: str | None, seconds: float | None, poster: Poster, server: Receiver
) -> None:
    server.faults.append("429")
    server.retry_after = given
    with pytest.raises(Later) as caught:
        post(poster, server)
    assert caught.value.retry_after_s == seconds


def test_retry_after_may_be_a_date(poster: Poster, server: Receiver) -> None:
    server.faults.append("429")
    server.retry_after = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with pytest.raises(Later) as caught:
        post(poster, server)
    assert 0 < (caught.value.retry_after_s or 0) <= 3600


def test_a_large_answer_is_not_read_to_its_end(poster: Poster, server: Receiver) -> None:
    server.handle = lambda _: (200, {}, b"x" * (20 * 2**20))
    assert len(post(poster, server)) < 8 * 2**20


@pytest.mark.parametrize("url", ["ftp://example.com/", "", "/path", "http://exa mple.com\n/"])
def test_an_address_that_is_none_is_refused_and_not_shown(url: str, poster: Poster) -> None:
    with pytest.raises(Later) as caught:
        poster.post(url, b"", {})
    assert not url or url not in str(caught.value)


def test_a_name_without_an_address_is_tried_again(poster: Poster) -> None:
    with pytest.raises(Later):
        poster.post("https://no-such-host.invalid/", b"", {})


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_the_environments_proxy_is_asked(
    name: str, poster: Poster, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, server.url.replace("//", "//us%40er:s%C3%A4cret@"))
    assert poster.post("http://hooks.invalid/x", b"{}", {}).body == b"ok"
    (asked,) = server.requests
    assert asked.path == "http://hooks.invalid/x"
    assert asked.headers["Proxy-Authorization"] == f"Basic {b64encode('us@er:säcret'.encode()).decode()}"


def test_a_proxy_that_lets_nobody_through_has_taken_nothing(
    poster: Poster, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url)  # it knows no CONNECT
    with pytest.raises(Later, match="501"):
        poster.post("https://hooks.invalid/x", b"{}", {})


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1", "http://127.0.0.1:80a", "http://pröxy:1", "http://"]
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    proxy: str, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(Unusable, match="HTTPS_PROXY"):
        poster.post("https://hooks.invalid/x", b"{}", {})


def test_this_machine_and_what_no_proxy_names_are_asked_directly(
    poster: Poster, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert post(poster, server) == b"ok"
    monkeypatch.setenv("no_proxy", "hooks.invalid")
    with pytest.raises(Later, match=r"not known|resolution"):
        poster.post("http://hooks.invalid/x", b"{}", {})


def test_a_channel_that_checks_addresses_takes_no_proxy(
    server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    checking = Poster(secrets=(), backend=httpcore2.SyncBackend())
    with pytest.raises(Later):
        checking.post("http://hooks.invalid/x", b"{}", {})
    assert not server.requests
