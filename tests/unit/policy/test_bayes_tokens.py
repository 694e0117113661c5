"""What Bayes looks at: which words, from where, whatever a message is made of; the same before and after storing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estafeta.mail.trace import return_path
from estafeta.policy.bayes_tokens import BUCKETS, MAX_TOKENS, features, names
from estafeta.policy.content import Content

HEAD = b"From: Anna <anna@example.org>\r\nSubject: Hello\r\n"


def words(message: bytes, *, pairs: bool = False) -> set[str]:
    return set(names(Content.of(message), pairs=pairs).values())


def plain(text: bytes, charset: bytes = b"utf-8") -> bytes:
    return HEAD + b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\n" + text


def html(text: bytes) -> bytes:
    return HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + text


def test_words_of_fields_say_where_they_stand() -> None:
    found = words(plain(b"Buy now"))
    assert {"buy", "now", "subject:hello", "from:anna", "from:anna@example.org", "field:subject"} <= found
    assert "hello" not in found


@pytest.mark.parametrize(
    ("message", "has", "has_not"),
    [
        (plain("Grüße aus Köln".encode()), {"grüße", "köln", "aus"}, set()),
        (plain("Grüße".encode("latin-1"), b"iso-8859-1"), {"grüße"}, set()),
        (plain("日本語".encode()), {"日本", "本語"}, {"日本語"}),
        (plain("ｖｉａｇｒａ".encode()), {"viagra"}, set()),
        (plain("vi\u200bag\u00adra".encode()), {"viagra"}, set()),
        (plain(b"$1000 now"), {"$1000"}, set()),
        (plain(b"see https://shop.evil.example/x?y"), {"link:shop.evil.example", "link:evil.example"}, set()),
        (html(b"<p>che<b>ap</b> &amp; <style>p{color:red}</style>good<!-- no -->"), {"good"}, {"color", "no", "red"}),
        (html(b"<script>evil</script>fine<img src=x>"), {"fine", "html:<img", "html:<script"}, {"evil"}),
        (html(b"<style>never closed " + b"x" * 100), set(), {"never", "closed"}),
        (html(b"a" * 50), {"part:only html"}, set()),
        (HEAD.replace(b"Hello", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=") + b"\r\n", {"subject:grüße"}, set()),
    ],
)
def test_words_of_texts(message: bytes, has: set[str], has_not: set[str]) -> None:
    found = words(message)
    assert has <= found
    assert not has_not & found


def test_names_of_files() -> None:
    message = (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf;"
        b' name="Your Invoice.PDF"'
        b"\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--\r\n"
    )
    assert {"name:your", "name:invoice", "name:.pdf", "part:application/pdf attached"} <= words(message)


def test_pairs() -> None:
    assert "buy now" in words(plain(b"buy now"), pairs=True)
    assert "buy now" not in words(plain(b"buy now"))
    assert set(features(Content.of(plain(b"buy now")))) < set(features(Content.of(plain(b"buy now")), pairs=True))


def test_what_servers_and_filters_write_says_nothing() -> None:
    message = plain(b"Buy now")
    written = (
        return_path(None)
        + b"Received: from client.example ([192.0.2.1]) by mx.example.org with ESMTP id 1; Sun, 1 Mar 2026 10:00:00\r\n"
        + b"Authentication-Results: mx.example.org; spf=pass\r\nX-Estafeta-Result: junk; bayes +4.5\r\n"
        + b"X-Spam-Status: Yes\r\nX-Spam-Flag: YES\r\n"
    )
    assert features(Content.of(written + message)) == features(Content.of(message))


def test_large_and_padded_messages_have_bounded_words() -> None:
    many = plain(b" ".join(b"w%d" % number for number in range(200_000)))
    assert len(features(Content.of(many))) == MAX_TOKENS
    assert len(names(Content.of(many))) == MAX_TOKENS
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(5000))
    assert len(features(Content.of(fields + plain(b"x")))) <= MAX_TOKENS
    assert len(features(Content.of(b"Subject: " + b"word " * 50_000 + b"\r\n\r\n"))) < 10


def test_many_parts() -> None:
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nhello there\r\n"
    message = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 2000 + b"--b--\r\n"
    assert {"hello", "there"} <= words(message)


@settings(max_examples=300)
@given(st.binary(max_size=600) | st.text(max_size=300).map(lambda text: plain(text.encode("utf-8", "replace"))))
def test_any_octets_have_words_and_names_agree(message: bytes) -> None:
    """Never raises; every bucket is one, once; `names` knows the same."""
    for pairs in (False, True):
        found = features(Content.of(message), pairs=pairs)
        assert len(found) == len(set(found)) <= MAX_TOKENS
        assert all(0 <= bucket < BUCKETS for bucket in found)
        assert set(found) == set(names(Content.of(message), pairs=pairs))


@given(st.text(st.sampled_from("ab1_'-$€ .,\n\t\x00@éÉㅎ中文กข\u200b\u00a0\u00a8\u0301")) | st.text())
def test_a_text_without_repetitions_has_the_same_words(text: str) -> None:
    message = plain(text.encode("utf-8", "replace"))
    once, every = features(Content.of(message)), set(features(Content.of(message), pairs=True))
    single = {bucket for bucket, name in names(Content.of(message), pairs=True).items() if " " not in name}
    assert len(once) == len(set(once))
    assert single <= set(once) <= every or len(every) == MAX_TOKENS
