"""Messages with archives, for tests."""

import io
import tarfile
import zipfile
from email.message import EmailMessage

from estafeta.policy.content import Content
from estafeta.policy.parts import Parts


def parts_of(message: bytes) -> Parts:
    return Content.of(message).parts


def mail_with(name: str, octets: bytes) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Report"
    message.set_content("Please see attached.\n")
    message.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes().replace(b"\n", b"\r\n")


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, octets in files:
            archive.writestr(name, octets)
    return out.getvalue()


def tarred(*files: tuple[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, octets in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(octets)
            archive.addfile(entry, io.BytesIO(octets))
    return out.getvalue()
