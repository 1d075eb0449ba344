from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.transport import Guard

EVERYTHING = Guard([ip_network("0.0.0.0/0"), ip_network("::/0")])

ALLOWABLE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
    "127.255.255.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::8.8.8.8",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:808:8:800::", "2002:808:808::", "2002:a00:1::", "2002:7f00:1::1", "2001::1",
    "2001:0:808:808::", "2001:2::1", "2001:10::1", "2001:db8::1", "3fff::1", "100::1", "fc00::1",
    "fd12:3456::1", "fec0::1", "ff02::1", "4000::1", "5f00::1", "8000::1",
]  # fmt: skip

NEVER = [
    "169.254.0.1", "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    "fe80::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::1%eth0", "2606:4700::1111%1",
    "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b:1::169.254.169.254",
    "64:ff9b:1:a9fe:a9:fe00::", "2002:a9fe:a9fe::", "2001:0:a9fe:a9fe::", "2001:0:808:808:0:0:5601:5601",
    "::ffff:100.100.100.200", "64:ff9b::6464:64c8",
]  # fmt: skip

GLOBAL = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:200::1", "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("text", ALLOWABLE)
def test_refused_unless_allowed(text):
    assert "ALLOW_NETWORKS" in Guard().refusal(ip_address(text))
    assert EVERYTHING.refusal(ip_address(text)) is None


@pytest.mark.parametrize("text", NEVER)
@pytest.mark.parametrize("guard", [Guard(), EVERYTHING], ids=["strict", "open"])
def test_never_allowed(text, guard):
    refusal = guard.refusal(ip_address(text))
    assert "never" in refusal
    assert "ALLOW_NETWORKS" not in refusal


@pytest.mark.parametrize("text", GLOBAL)
def test_global_unicast_passes(text):
    assert Guard().refusal(ip_address(text)) is None


def test_the_refusal_names_the_address_and_the_kind():
    assert Guard().refusal(ip_address("10.1.2.3")) == "10.1.2.3 is private; ALLOW_NETWORKS would allow it"
    assert Guard().refusal(ip_address("::ffff:10.1.2.3")).startswith("10.1.2.3 is private")


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("64:ff9b::10.1.2.3", True),
        ("10.2.0.0", False),
        ("127.0.0.1", False),
        ("2002:a01:203::", False),
        ("::10.1.2.3", False),
    ],
)
def test_an_allowed_range_covers_itself_only(text, passes):
    assert (Guard([ip_network("10.1.0.0/16")]).refusal(ip_address(text)) is None) is passes


def test_allowing_a_wrapper_does_not_allow_what_it_carries():
    guard = Guard([ip_network("2002::/16")])
    assert guard.refusal(ip_address("2002:808:808::")) is None
    assert "10.0.0.1" in guard.refusal(ip_address("2002:a00:1::"))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_nothing_but_global_unicast_ever_passes(ip):
    if Guard().refusal(ip) is None:
        nat64 = ip in ip_network("64:ff9b::/96")
        seen = IPv4Address(int(ip) & 0xFFFFFFFF) if nat64 else getattr(ip, "ipv4_mapped", None) or ip
        assert seen.is_global
        assert not any((seen.is_multicast, seen.is_reserved, seen.is_link_local, seen.is_unspecified))


@given(st.ip_addresses(v=4))
def test_no_wrapping_helps(v4):
    if Guard().refusal(v4) is None:
        return
    bits = int(v4)
    for wrapped in (0xFFFF << 32 | bits, bits, 0x64FF9B << 96 | bits, 0x64FF9B0001 << 80 | bits):
        assert Guard().refusal(IPv6Address(wrapped)) is not None
    for wrapped in (0x2002 << 112 | bits << 80, 0x20010000 << 96 | bits << 64, 0x20010000 << 96 | ~bits & 0xFFFFFFFF):
        assert Guard().refusal(IPv6Address(wrapped)) is not None


@given(st.integers(0, 0xFFFF))
def test_link_local_is_never_allowed(low):
    assert EVERYTHING.refusal(IPv4Address(0xA9FE0000 | low)) is not None
