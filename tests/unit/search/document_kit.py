"""Small documents made by hand."""

import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:p="urn:p"'
_O = 'xmlns:office="urn:o" xmlns:text="urn:t"'


def archive(files: Mapping[str, str | bytes]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def docx(*paragraphs: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{one}</w:t></w:r></w:p>" for one in paragraphs)
    footer = f"<w:ftr {_W}><w:p><w:r><w:t>foot</w:t></w:r></w:p></w:ftr>"
    document = f"<w:document {_W}><w:body>{body}</w:body></w:document>"
    return archive({"word/footer1.xml": footer, "word/document.xml": document, "word/theme.xml": "<a>theme</a>"})


def xlsx() -> bytes:
    return archive(
        {
            "xl/sharedStrings.xml": f"<sst {_S}><si><t>Turnover</t></si>"
            "<si><r><t>Spa</t></r><r><t>in</t></r></si></sst>",
            "xl/worksheets/sheet1.xml": f'<worksheet {_S}><sheetData><row><c t="s"><v>1</v></c><c><v>4711.5</v></c>'
            '<c t="inlineStr"><is><t>inline</t></is></c></row></sheetData></worksheet>',
        }
    )


def pptx() -> bytes:
    slide = f"<p:sld {_A}><a:p><a:r><a:t>Slide %s</a:t></a:r></a:p></p:sld>"
    return archive({f"ppt/slides/slide{number}.xml": slide % number for number in (10, 2, 1)})


def odt(xml: str = "<text:p>Hola <text:span>señor</text:span></text:p><text:h>Fin<text:s/>al</text:h>") -> bytes:
    content = f"<office:document-content {_O}><office:body>{xml}</office:body></office:document-content>"
    return archive({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def pdf(*pages: str) -> bytes:
    """Pages of one line each."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for page in pages:
        stream = zlib.compress(f"BT /F1 12 Tf 72 700 Td ({page}) Tj ET".encode("latin-1"))
        objects.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%b] /Count %d /MediaBox [0 0 612 792] >>" % (b" ".join(kids), len(kids))
    out, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(out))
    )
