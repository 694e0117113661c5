"""Parts of messages, down to what is in archives, and the limits that hold hostile ones."""

import bz2
import gzip
import lzma
import random
import tarfile
import threading
import zipfile
from email.message import EmailMessage

import pytest
from archive_kit import mail_with, parts_of, tarred, zipped
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.scan import MessageScanner
from estafeta.policy import parts as limits
from estafeta.policy.archives import Format, find_format, read_members
from estafeta.policy.content import Content
from estafeta.policy.parts import Archive, Part, read_parts

ALTERNATIVE = (
    b"From: ana@example.test\r\nContent-Type: multipart/alternative; boundary=xyz\r\n\r\n--xyz\r\n"
    b"Content-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"ca=F1a=\r\n!\r\n"
    b"--xyz\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+Y2HDsWE8L2I+\r\n--xyz--\r\n"
)


def test_texts_are_decoded():
    assert parts_of(ALTERNATIVE) == (
        Part("text/plain", "", "1", b"ca\xf1a!", charset="iso-8859-1"),
        Part("text/html", "", "2", "<b>caña</b>".encode()),
    )


def test_a_message_without_mime_is_one_text():
    (part,) = parts_of(b"Subject: x\r\n\r\nhello\r\n")
    assert (part.media, part.path, part.octets, part.attached) == ("text/plain", "1", b"hello\r\n", False)


@pytest.mark.parametrize(
    "message", [b"", b"\r\n", b"Subject: x", b"Subject: x\r\n", b"Content-Type: multipart/mixed\r\n\r\n"]
)
def test_next_to_nothing_is_a_message_as_well(message):
    assert [part.media for part in parts_of(message)] == ["text/plain"]


def test_a_summary_saves_the_scan_although_fields_were_added():
    scanner = MessageScanner()
    scanner.feed(b"Received: from here by there\r\n" + ALTERNATIVE)
    content = Content.of(ALTERNATIVE)
    assert read_parts(content.header, content.pieces, scanner.close()) == content.parts


def test_bodies_in_pieces_read_as_whole_ones():
    message = mail_with("a.bin", bytes(range(256)) * 50)
    whole = Content.of(message)
    body = b"".join(whole.pieces())
    for size in (1, 7, 1000):
        torn = [body[at : at + size] for at in range(0, len(body), size)]
        assert read_parts(whole.header, lambda torn=torn: iter(torn)) == whole.parts


def test_a_message_within_a_message_has_its_header_and_its_parts():
    inner = ALTERNATIVE.replace(b"xyz", b"inner")
    message = b"Content-Type: message/rfc822; name=letter.eml\r\n\r\n" + inner
    found = parts_of(message)
    assert [(part.media, part.path) for part in found] == [
        ("message/rfc822", "1"),
        ("text/plain", "1.1"),
        ("text/html", "1.2"),
    ]
    assert found[0].name == "letter.eml"
    assert found[0].octets.startswith(b"From: ana@example.test\r\n")


@pytest.mark.parametrize("media", ["message/rfc822", "application/octet-stream"])
def test_a_message_that_came_as_an_encoded_file_is_read(media):
    message = EmailMessage()
    message.set_content("see")
    message.add_attachment(
        mail_with("virus.vbs", b"x"), maintype="application", subtype="octet-stream", filename="a.eml"
    )
    octets = message.as_bytes().replace(b"application/octet-stream", media.encode()).replace(b"\n", b"\r\n")
    assert ("2/2", "virus.vbs") in [(part.path, part.name) for part in parts_of(octets)]


@pytest.mark.parametrize(
    ("name", "octets", "path"),
    [
        ("a.zip", zipped(("dir/x.exe", b"MZ")), "2/dir/x.exe"),
        ("a.zip", zipped(("x.exe", b"MZ"), method=zipfile.ZIP_STORED), "2/x.exe"),
        ("a.zip", zipped(("x.exe", b"MZ"), method=zipfile.ZIP_BZIP2), "2/x.exe"),
        ("a.tar", tarred(("x.exe", b"MZ")), "2/x.exe"),
        ("a.tar", tarred(("y" * 150 + ".exe", b"MZ")), "2/" + "y" * 150 + ".exe"),
        ("a.tar", tarred(("y" * 150 + ".exe", b"MZ"), form=tarfile.PAX_FORMAT), "2/" + "y" * 150 + ".exe"),
        ("x.exe.gz", gzip.compress(b"MZ", mtime=0), "2/x.exe"),
        ("x.exe.bz2", bz2.compress(b"MZ"), "2/x.exe"),
        ("x.exe.xz", lzma.compress(b"MZ"), "2/x.exe"),
        ("a.tgz", gzip.compress(tarred(("x.exe", b"MZ")), mtime=0), "2/a.tar/x.exe"),
        ("a.zip", zipped(("b.zip", zipped(("x.exe", b"MZ")))), "2/b.zip/x.exe"),
    ],
)
def test_archives_are_looked_into(name, octets, path):
    found = parts_of(mail_with(name, octets))
    assert found[1].archive is Archive.OPEN
    last = found[-1]
    assert (last.path, last.octets, last.complete, last.attached) == (path, b"MZ", True, True)
    assert found.beyond == ()


def test_the_type_of_a_member_comes_from_its_name():
    assert [part.media for part in parts_of(mail_with("a.zip", zipped(("a.png", b"x"), ("b", b"x"))))[2:]] == [
        "image/png",
        "application/octet-stream",
    ]


def encrypted() -> bytes:
    octets = bytearray(zipped(("secret.doc", b"words")))
    octets[6] |= 1
    octets[octets.index(b"PK\1\2") + 8] |= 1
    return bytes(octets)


def test_what_is_encrypted_is_said_to_be():
    archive, member = parts_of(mail_with("a.zip", encrypted()))[1:]
    assert archive.archive is Archive.ENCRYPTED
    assert (member.name, member.octets, member.complete) == ("secret.doc", b"", False)
    office = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    assert parts_of(mail_with("a.docx", office))[1].archive is Archive.ENCRYPTED


@pytest.mark.parametrize(
    ("name", "octets"), [("a", b"Rar!\x1a\x07\x00"), ("a", b"7z\xbc\xaf\x27\x1c"), ("a.ISO", b"x")]
)
def test_formats_that_nothing_here_reads_are_named(name, octets):
    assert parts_of(mail_with(name, octets))[1].archive is Archive.UNSUPPORTED


def test_a_zip_without_its_directory_is_read_from_the_front():
    whole = zipped(("a.txt", b"words " * 100), ("x.exe", b"MZ"))
    torn = whole[: whole.index(b"PK\1\2")]
    assert [(member.name, member.read(1000)[0][:5]) for member in read_members(Format.ZIP, torn)] == [
        ("a.txt", b"words"),
        ("x.exe", b"MZ"),
    ]


def test_a_zip_behind_a_program_is_found_by_its_directory():
    whole = b"PK\3\4junk" + zipped(("x.exe", b"MZ"))
    assert [member.read(9)[:2] for member in read_members(Format.ZIP, whole)] == [(b"MZ", True)]


def test_a_damaged_archive_is_one_that_was_left():
    assert parts_of(mail_with("a.zip", b"PK\3\4"))[1].archive is Archive.LEFT


def test_a_bomb_is_cut():
    bomb = zipped(("zeros", b"\0" * (40 << 20)))
    found = parts_of(mail_with("a.zip", zipped(*[(f"{n}.zip", bomb) for n in range(40)])))
    assert {"octets", "ratio"} >= set(found.beyond) != set()
    assert sum(len(part.octets) for part in found) <= limits.MAX_TOTAL_OCTETS + limits.MAX_PART_OCTETS
    assert not found[-1].complete


def test_a_dense_file_counts_as_a_bomb_beyond_the_ratio():
    found = parts_of(mail_with("a.zip", zipped(("small", b"\0" * 500_000))))
    assert found.beyond == ("ratio",)
    assert (len(found[2].octets), found[2].complete) == (limits.FREE_OCTETS, False)


def test_many_files_are_listed_up_to_the_limit():
    found = parts_of(mail_with("a.zip", zipped(*[(f"{n}.txt", b"") for n in range(limits.MAX_MEMBERS + 5)])))
    assert found.beyond == ("members",)
    assert len(found) == limits.MAX_MEMBERS + 2


def test_archives_in_archives_end_somewhere():
    octets = b"MZ"
    for _ in range(limits.MAX_ARCHIVE_DEPTH + 2):
        octets = zipped(("n.zip", octets))
    found = parts_of(mail_with("a.zip", octets))
    assert found.beyond == ("archive-depth",)
    assert found[-1].archive is Archive.LEFT


def test_many_parts_are_read_up_to_the_limit():
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nhi\r\n" * 10_000 + b"--b--\r\n"
    found = parts_of(message)
    assert found.beyond == ("parts",)
    assert len(found) <= limits.MAX_PARTS


def test_messages_in_messages_end_somewhere():
    found = parts_of(b"Content-Type: message/rfc822\r\n\r\n" * 100 + b"hi")
    assert found.beyond == ("depth",)
    assert len(found) <= limits.MAX_DEPTH


def test_a_long_header_hides_no_parts():
    message = b"X-Long: " + b"x" * 70 + b"\r\n " * 50_000 + b"y\r\n" + ALTERNATIVE
    assert [part.media for part in parts_of(message)] == ["text/plain", "text/html"]


def test_a_large_part_is_cut_and_a_large_archive_is_not():
    noise = random.Random(5).randbytes(limits.MAX_PART_OCTETS)
    large = parts_of(mail_with("a.bin", noise + b"tail"))[1]
    assert (len(large.octets), large.complete) == (limits.MAX_PART_OCTETS, False)
    found = parts_of(mail_with("a.zip", zipped(("noise", noise), ("x.exe", b"MZ"))))
    assert (found[1].complete, found[1].archive, found[-1].octets) == (False, Archive.OPEN, b"MZ")


@given(st.binary(max_size=300), st.sampled_from([b"", *[b"PK\3\4", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0"]]))
def test_nothing_that_calls_itself_an_archive_raises(octets, beginning):
    found = find_format(beginning + octets)
    for form in Format if found is None else (found,):
        for member in read_members(form, beginning + octets, "a.tgz"):
            assert len(member.read(100)[0]) <= 100
    parts_of(mail_with("a", beginning + octets))


@given(st.integers(0, 400), st.binary(min_size=1, max_size=20))
def test_damaged_archives_end(at, damage):
    for whole in (zipped(("a/b", b"x" * 99), ("c", b"")), tarred(("a", b"x"), ("b", b"y"))):
        torn = whole[:at] + damage + whole[at + len(damage) :]
        assert len(parts_of(mail_with("a.zip", torn))) < 20


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"Content-Type: text/plain; charset=us-ascii\r\n",
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n",
        b"Content-Type: application/zip; name=a.zip\r\nContent-Disposition: attachment\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multi(x)part/mixed; boundary=b\r\n",
        b"Content-Type:\r\n multipart\r\n /mixed;boundary=b\r\n",
        b"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: messag\xc5\xbf/rfc822\r\n",
        b"Content-Type: nonsense\r\nContent-Disposition: ;;;\r\n",
    ],
)
def test_a_letter_is_read_from_its_fields_alone_as_it_is_in_whole(
    fields: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = b"Subject: x\r\n" + fields + b"\r\n--b\r\nContent-Type: text/x-one\r\n\r\nb25l\r\n--b--\r\n"
    quick = [parts_of(message) for _ in range(2)]
    monkeypatch.setattr(limits, "_SHORT_FIELDS", -1)
    assert quick == [parts_of(message)] * 2


def test_who_asks_about_one_message_does_not_wait_for_another():
    go_on, once = threading.Event(), []

    def pieces():
        once.append(1)
        assert go_on.wait(20)
        yield b"hi"

    large = Content(b"", pieces, 2)
    threads = [threading.Thread(target=lambda: large.parts) for _ in range(3)]
    threads.append(threading.Thread(target=lambda: (parts_of(b"Subject: x\r\n\r\nhello\r\n"), go_on.set())))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert go_on.is_set()
    assert len(once) == 1


@given(
    st.sampled_from(["text/plain", "text/html", 'text/plain; charset="utf-8"', "TEXT/X; name=a.zip", "image/png", ""]),
    st.sampled_from(["", "7bit", "8BIT", "binary", "base64", "quoted-printable", "x-uuencode", "7bit, base64"]),
    st.sampled_from(["", "attachment", "inline", "attachment; filename=a.eml"]),
    st.sampled_from(
        [b"", b"Hello\r\n", b"UEsDBAoAAAA=\r\n", b"PK\3\4", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"a" * 70_000]
    ),
    st.integers(0, 2),
)
def test_a_short_letter_is_read_as_any_other(
    media: str, encoding: str, disposition: str, body: bytes, cut: int
) -> None:
    fields = (("Content-Type", media), ("Content-Transfer-Encoding", encoding), ("Content-Disposition", disposition))
    header = b"".join(f"{name}: {value}\r\n".encode() for name, value in fields if value)
    pieces = (body[:cut], body[cut:]) if cut else (body,)
    quick = read_parts(header, lambda: iter(pieces), size=len(body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits._Reader, "_letter", lambda *_: False)
        slow = read_parts(header, lambda: iter(pieces), size=len(body))
    assert (quick, quick.beyond) == (slow, slow.beyond)
