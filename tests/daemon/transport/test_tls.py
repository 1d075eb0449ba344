import ssl

import pytest

from daemon.transport import client_tls
from events.outcome import Fault
from tests.support.receiver import Receiver, reply

CLOSING = reply(headers="Connection: close\r\n")


def test_certificates_and_names_are_checked():
    context = client_tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_an_authority_that_cannot_be_read(tmp_path):
    with pytest.raises(OSError):
        client_tls(tmp_path / "missing.pem")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_sessions_are_resumed(sender_of, authority, version):
    server = authority.server("hook.test")
    server.maximum_version = version
    async with Receiver(CLOSING, tls=server) as receiver:
        sender = sender_of(ca_file=authority.ca_file)
        for _ in range(3):
            assert (await sender.post(receiver.url_for("hook.test"))).fault is None
        assert receiver.resumed == [False, True, True]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_sessions_are_resumed_after_an_idle_close(sender_of, authority, version):
    server = authority.server("hook.test")
    server.maximum_version = version
    async with Receiver(tls=server) as receiver:
        sender = sender_of(ca_file=authority.ca_file, idle_s=0.02)
        for opened in (1, 2, 3):
            assert (await sender.post(receiver.url_for("hook.test"))).fault is None
            await receiver.until(lambda opened=opened: receiver.ended == opened)
        assert receiver.resumed == [False, True, True]


async def test_every_host_has_a_session_of_its_own(sender_of, authority):
    async with (
        Receiver(CLOSING, tls=authority.server("one.test")) as one,
        Receiver(CLOSING, tls=authority.server("two.test")) as two,
    ):
        sender = sender_of(ca_file=authority.ca_file)
        for _ in range(2):
            assert (await sender.post(one.url_for("one.test"))).fault is None
            assert (await sender.post(two.url_for("two.test"))).fault is None
        assert (one.resumed, two.resumed) == ([False, True], [False, True])


async def test_sessions_are_bounded_and_the_oldest_goes(sender_of, authority, monkeypatch):
    monkeypatch.setattr("daemon.transport.tls.SESSIONS_MAX", 1)
    async with (
        Receiver(CLOSING, tls=authority.server("one.test")) as one,
        Receiver(CLOSING, tls=authority.server("two.test")) as two,
    ):
        sender = sender_of(ca_file=authority.ca_file)
        for receiver, name in ((one, "one.test"), (two, "two.test"), (two, "two.test"), (one, "one.test")):
            assert (await sender.post(receiver.url_for(name))).fault is None
        assert (one.resumed, two.resumed) == ([False, False], [False, True])


async def test_a_session_that_serves_stays_and_one_that_is_refused_is_replaced(sender_of, authority):
    first, second = (authority.server("hook.test") for _ in range(2))
    sender = sender_of(ca_file=authority.ca_file)
    async with Receiver(CLOSING, tls=first) as receiver:
        for _ in range(3):
            await sender.post(receiver.url_for("hook.test"))
        assert receiver.resumed == [False, True, True]
    async with Receiver(CLOSING, tls=second) as receiver:  # has other ticket keys
        for _ in range(2):
            assert (await sender.post(receiver.url_for("hook.test"))).fault is None
        assert receiver.resumed == [False, True]


async def test_a_receiver_without_tickets_is_greeted_anew(sender_of, authority):
    server = authority.server("hook.test")
    server.num_tickets = 0
    async with Receiver(CLOSING, tls=server) as receiver:
        sender = sender_of(ca_file=authority.ca_file)
        for _ in range(2):
            assert (await sender.post(receiver.url_for("hook.test"))).fault is None
        assert receiver.resumed == [False, False]


async def test_a_session_serves_the_name_it_was_verified_for_only(sender_of, authority):
    async with Receiver(CLOSING, tls=authority.server("hook.test")) as receiver:
        sender = sender_of(ca_file=authority.ca_file)
        assert (await sender.post(receiver.url_for("hook.test"))).fault is None
        assert (await sender.post(receiver.url_for("other.test"))).fault is Fault.TLS


async def test_alpn(sender_of, authority):
    server = authority.server("127.0.0.1")
    server.set_alpn_protocols(["h2", "http/1.1"])
    async with Receiver(tls=server) as receiver:
        assert (await sender_of(ca_file=authority.ca_file).post(receiver.url)).fault is None


async def test_a_client_without_the_certificate_asked_for(sender_of, authority):
    server = authority.server("127.0.0.1")
    server.verify_mode = ssl.CERT_REQUIRED
    async with Receiver(tls=server) as receiver:
        outcome = await sender_of(ca_file=authority.ca_file).post(receiver.url)
        assert outcome.fault in {Fault.TLS, Fault.RESET}
