"""Octets in a named charset to text, whatever the name and whatever the octets. Never raises.

Only names of text codecs known beforehand reach the codec machinery: it remembers every name it was ever asked for,
and some of its codecs are no charsets at all. What a label means follows what mail programs mean by it: ISO-8859-1
is read as windows-1252, GB2312 as GB18030 (as the WHATWG Encoding Standard, 4.2, does).
"""

from encodings.aliases import aliases

_NOT_CHARSETS = frozenset(
    {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs", "tactis"}
)
_WITHOUT_ALIAS = frozenset({"koi8_u", "cp874", "cp1006", "cp737", "cp720", "cp856", "mac_roman"})
_CODECS = (frozenset(aliases.values()) - _NOT_CHARSETS) | _WITHOUT_ALIAS
_READ_AS = {
    "latin_1": "cp1252",
    "latin1": "cp1252",
    "iso8859_1": "cp1252",
    "iso_8859_1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "x_sjis": "cp932",
    "shift_jis": "cp932",
    "windows_31j": "cp932",
    "windows_874": "cp874",
    "ks_c_5601_1987": "cp949",
    "euc_kr": "cp949",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "unicode_1_1_utf_7": "utf_7",
    "macintosh": "mac_roman",
    "x_mac_roman": "mac_roman",
}


def find_codec(charset: str) -> str | None:
    """The codec for a charset's name (RFC 2978), or None for one that is unknown."""
    name = charset.strip().lower().replace("-", "_").replace(".", "_").replace(" ", "_")
    name = _READ_AS.get(name, name)
    name = aliases.get(name, name)
    name = _READ_AS.get(name, name)
    return name if name in _CODECS else None


def decode_text(data: bytes, charset: str = "") -> str:
    """The text of `data`. Without a known charset, and for ASCII that is none: UTF-8, and if not that, Latin-1."""
    if data.isascii() and charset in ("", "us-ascii", "utf-8"):
        return data.decode("ascii")
    codec = find_codec(charset) if charset else None
    if codec is None or codec == "ascii":
        return decode_unlabelled(data)
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, LookupError, ValueError):
        return decode_unlabelled(data)


def decode_unlabelled(data: bytes) -> str:
    """UTF-8 when it is that (RFC 6532 3.2), else Latin-1, which takes anything."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
