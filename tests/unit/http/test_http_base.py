"""Where links lead without being told."""

from datetime import UTC, datetime

import pytest
from http_site import WebSite

from estafeta.app.config import ListenerConfig, NodeConfig
from estafeta.app.webbase import own_web_base
from estafeta.certificates.store import Certificate, server_context
from estafeta.certificates.tls import TlsCertificates

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def certificate(name: str, *hosts: str, self_signed: bool = False) -> Certificate:
    return Certificate(name, hosts, NOW, NOW, self_signed, b"", server_context())


@pytest.mark.parametrize(
    ("listeners", "hosts", "self_signed", "base"),
    [
        ([{"service": "https"}], ["mx.example.org"], False, "https://mx.example.org"),
        ([{"service": "https"}], ["*.example.org"], False, "https://mx.example.org"),
        ([{"service": "https", "port": 8443}], ["mx.example.org"], False, "https://mx.example.org:8443"),
        (
            [{"service": "https", "port": 8443}, {"service": "https"}],
            ["mx.example.org"],
            False,
            "https://mx.example.org",
        ),
        ([{"service": "https"}], ["mx.example.org"], True, ""),
        ([{"service": "https"}], ["other.example.org"], False, ""),
        ([{"service": "https", "start": False}], ["mx.example.org"], False, ""),
        ([{"service": "http"}, {"service": "imaps"}], ["mx.example.org"], False, ""),
    ],
)
def test_own_pages(listeners: list[dict[str, object]], hosts: list[str], self_signed: bool, base: str) -> None:
    config = NodeConfig(hostname="MX.example.org", listener=tuple(ListenerConfig(**one) for one in listeners))  # type: ignore[arg-type]
    certificates = TlsCertificates({"default": certificate("default", *hosts, self_signed=self_signed)})
    assert own_web_base(config, certificates) == base


@pytest.mark.parametrize(
    ("setting", "base"),
    [
        ("", "https://mx.example.org"),
        ("https://lists.example.org/mail/", "https://lists.example.org/mail"),
        ("None", ""),
    ],
)
def test_what_the_operator_says_goes_first(web: WebSite, setting: str, base: str) -> None:
    web.settings.set_setting("lists.link_base", setting, "test")
    assert web.means.link_base == base
