"""curl lists, uploads, searches, reads by URL (RFC 5092) and sends commands of its own."""

from pathlib import Path

import pytest
from imap_site import Site, letter
from imap_state import statuses
from imap_sync import find_program, run_client


class Curl:
    """curl, signed in as the site's user. `secure`: TLS from the start; else STARTTLS."""

    def __init__(self, site: Site, home: Path, *, secure: bool) -> None:
        self._home = home
        self._url = f"imaps://{site.host}:{site.tls_port}/" if secure else f"imap://{site.host}:{site.port}/"
        (home / "curlrc").write_text(
            f'silent\nshow-error\nssl-reqd\ncacert = "{site.certificate}"\nuser = "{site.user}:{site.password}"\n'
        )
        self._argv: list[str | Path] = [find_program("curl", "curl"), "-q", "-K", home / "curlrc"]

    def __call__(self, path: str, *options: str | Path, check: bool = True) -> str:
        """What curl printed for imap://server/PATH."""
        return run_client([*self._argv, *options, self._url + path], self._home, check=check)

    def do(self, command: str, folder: str = "INBOX") -> str:
        """A command of one's own, after SELECT."""
        return self(folder, "-X", command)

    def upload(self, content: bytes, folder: str) -> None:
        """APPEND; curl gives the message the flag \\Seen."""
        (self._home / "upload").write_bytes(content)
        self(folder, "-T", self._home / "upload")


@pytest.fixture(params=[True, False], ids=["imaps", "starttls"])
def curl(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Curl:
    return Curl(site, tmp_path, secure=request.param)


def test_upload_list_and_read(curl: Curl, site: Site) -> None:
    for name in ("one", "two", "three"):
        curl.upload(letter(name), "INBOX")
    assert '"/" INBOX' in curl("").replace('"INBOX"', "INBOX")
    assert curl("INBOX;UID=2").encode() == letter("two")
    assert curl("INBOX;MAILINDEX=3").encode() == letter("three")
    assert curl("INBOX;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)") == "Subject: About one\r\n\r\n"
    assert curl("INBOX;UID=1;SECTION=TEXT").encode() == letter("one").partition(b"\r\n\r\n")[2]
    validity = statuses(site)["INBOX"].uidvalidity
    assert curl(f"INBOX;UIDVALIDITY={validity};UID=1").encode() == letter("one")
    assert curl(f"INBOX;UIDVALIDITY={validity + 1};UID=1", check=False) == "", "curl notices another UIDVALIDITY"
    assert curl("INBOX;UID=99", check=False) == ""


def test_search_and_commands_of_ones_own(curl: Curl, site: Site) -> None:
    for name in ("one", "two", "three"):
        curl.upload(letter(name), "INBOX")
    assert curl("INBOX?SUBJECT%20about").split() == ["*", "SEARCH", "1", "2", "3"]
    assert curl("INBOX?NOT%20TEXT%20two%20SEEN").split() == ["*", "SEARCH", "1", "3"]
    assert "\\Flagged" in curl.do("STORE 2 +FLAGS (\\Flagged)")
    assert curl.do("UID SEARCH FLAGGED").split() == ["*", "SEARCH", "2"]
    curl.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert curl.do("EXPUNGE").split() == ["*", "1", "EXPUNGE"]
    curl("", "-X", "CREATE Kept/2026")
    curl.do("COPY 1 Kept/2026")
    curl.do("UID MOVE 3 Kept/2026")
    counted = {folder: status.messages for folder, status in statuses(site).items()}
    assert (counted["INBOX"], counted["Kept/2026"]) == (1, 2)
    assert "UIDNEXT 4" in curl("", "-X", "STATUS INBOX (MESSAGES UIDNEXT)")
    assert "Kept/2026" in curl("", "-X", 'LIST "" Kept/%')


def test_a_large_message(curl: Curl) -> None:
    content = letter("large", "0123456789abcdef" * 4 * 4096 + "\r\n" + "short lines\r\n" * 400_000)
    curl.upload(content, "INBOX")
    assert curl("INBOX;UID=1").encode() == content


def test_a_wrong_password_is_refused(curl: Curl, site: Site) -> None:
    assert curl("INBOX;UID=1", "--user", f"{site.user}:wrong", "-w", "%{exitcode}", check=False) == "67"


@pytest.mark.parametrize("mechanism", ["AUTH=PLAIN", "AUTH=LOGIN"])
@pytest.mark.parametrize("initial", ["--sasl-ir", "--no-sasl-ir"])
def test_mechanisms(site: Site, tmp_path: Path, mechanism: str, initial: str) -> None:
    curl = Curl(site, tmp_path, secure=False)
    assert "INBOX" in curl("", "--login-options", mechanism, initial)
