"""Which addresses may be called: public ones, and those that the operator allows."""

from __future__ import annotations

import pytest

from cloche.domain.reach import Reach, is_loopback, read_reach

PRIVATE = (
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "2002:a00:1::",
    "224.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "192.0.0.192",
    "fec0::1",
    "::a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xfe.43518",
    "0251.0376.0251.0376",
    "169.254.169.254.",
    "10.1",
)


@pytest.mark.parametrize("address", PRIVATE)
def test_no_private_address_is_called(address: str) -> None:
    """Private, link-local and other addresses that are not public are refused, however they are written."""
    why = Reach().refuses("provider.test", address)
    assert why is not None
    assert "--allow-upstream" in why


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "2606:2800:220:1:248:1893:25c8:1946",
        "64:ff9b::5db8:d822",
        "0x5d.0xb8d822",
        "provider.test",
        "08",
        "1.2.3.4.5",
        "0x",
        "1..2",
        "4294967296",
        "256.1",
    ],
)
def test_public_addresses_are_called(address: str) -> None:
    """Public addresses may be called; a name says nothing before it is resolved."""
    assert Reach().refuses("provider.test", address) is None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "127.1", "0", "0x7f000001", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"]
)
def test_this_machine_is_called_only_where_that_is_allowed(address: str) -> None:
    """Loopback addresses, and those that mean the same, are allowed or not as one."""
    assert Reach(loopback=True).refuses("provider.test", address) is None
    assert Reach(loopback=False).refuses("provider.test", address) is not None


def test_the_operator_may_allow_more() -> None:
    """Host names, single addresses and networks may be allowed, each for itself."""
    reach = read_reach(["Ollama.internal", "10.1.0.0/16", "192.168.0.7", "fd00::/8"], loopback=False)
    assert reach.refuses("ollama.internal", "10.9.9.9") is None
    for address in ("10.1.2.3", "192.168.0.7", "fd12::1"):
        assert reach.refuses("provider.test", address) is None
    for address in ("10.2.0.1", "192.168.0.8", "127.0.0.1"):
        assert reach.refuses("provider.test", address) is not None


@pytest.mark.parametrize("wrong", ["10.0.0.0/99", "http://host", "a/b"])
def test_what_cannot_be_meant_is_refused(wrong: str) -> None:
    """What is no host name, address or network is named."""
    with pytest.raises(ValueError, match="is no host name"):
        read_reach([wrong], loopback=True)


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://10.0.0.1/v1", True),
        ("http://[fe80::1]:80/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://LOCALHOST./v1", True),
        ("http://provider.test/v1", False),
        ("https://93.184.216.34/v1", False),
        ("http://[bad", False),
        ("nothing", False),
    ],
)
def test_a_url_tells_what_it_can(url: str, refused: bool) -> None:
    """An address in a URL is judged when the URL is given; a name when it is called."""
    assert (Reach(loopback=False).refuses_url(url) is not None) is refused


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("cloche", False)],
)
def test_what_listens_on_this_machine_alone(host: str, expected: bool) -> None:
    """A server that listens on a loopback address is reached by nobody else."""
    assert is_loopback(host) is expected
