"""A lab written down: names, servers and policies in TOML, for `estafeta lab run`.

Every error is one sentence with the place in the file (`EstafetaError` INVALID).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from estafeta.app.lab.behaviours import Behaviour
from estafeta.app.lab.lab import Lab
from estafeta.core.errors import EstafetaError, Kind

EXAMPLE = """\
# A small internet. `estafeta lab run lab.toml` makes it and shows what comes; `estafeta lab example` prints this file.
# Everything is on loopback, 127.77.x.y. Without ports, free ones are taken.
port = 20025
dns_port = 20053

# Names. mx, a, aaaa, txt, tlsa, cname, ptr; `secure = true` is what DNSSEC vouches for; `ttl` in seconds.
# fault: servfail, refused, timeout, garbage, wrong-id, wrong-question, truncate, truncate-tcp, spoof, loop, or
# slow:SECONDS
[names."friendly.test"]
mx = ["10 mx.friendly.test"]

[names."picky.test"]
mx = ["10 mx.picky.test", "20 mx.friendly.test"]

[names."moody.test"]
mx = ["10 mx.moody.test"]

[names."nomail.test"]
mx = ["0 ."]

[names."broken.test"]
fault = "servfail"

# Mail servers. A server's name needs no entry above.
[[server]]
host = "mx.friendly.test"

# `at` says what happens at a stage (connect greeting ehlo helo lhlo starttls tls auth mail rcpt data content dot bdat
# rset noop vrfy etrn quit): a reply, or hang, drop, reset, drip, endless, giant, garbage, lost, goodbye, early.
# A list is used one by one; the last stays.
[[server]]
host = "mx.picky.test"
tls = "wrong-name"             # good none expired wrong-name self-signed client refuse garbage
greylist = 1                   # each pair of sender and recipient is put off once
without = ["SMTPUTF8"]
[server.recipients]
"full@*" = "452 4.2.2 Mailbox full"
"nobody@*" = "550 5.1.1 No such user here"

[[server]]
host = "mx.moody.test"
[server.at]
greeting = ["421 4.3.2 Come again later", "hang", "accept"]
dot = ["drop", "lost", "accept"]

# A smarthost on a port of its own, which wants a name and a password.
[[server]]
host = "smart.test"
port = 20587
[server.auth]
me = "secret"

# MTA-STS policies, served over HTTPS. fault: 404 500 redirect hang drop drip giant html garbage
[policy."friendly.test"]
mode = "enforce"
mx = ["mx.friendly.test"]
max_age = 86400
"""

_NAME_KEYS = {"mx", "a", "aaaa", "txt", "tlsa", "cname", "ptr", "secure", "ttl", "fault"}
_PLACE_KEYS = {"host", "address", "port"}
_BEHAVIOUR_KEYS = {each.name for each in fields(Behaviour)}
_POLICY_KEYS = {"mode", "mx", "max_age", "text", "fault", "tls"}
_TOP_KEYS = {"port", "dns_port", "names", "server", "policy"}


@dataclass(frozen=True, slots=True)
class LabFile:
    """What a file says, with its shape checked."""

    port: int = 0
    dns_port: int = 0
    names: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    servers: tuple[Mapping[str, Any], ...] = ()
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def parse_lab(text: str, file: str) -> LabFile:
    """Read the text of a lab file; `file` is what errors call it. Raises EstafetaError INVALID."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EstafetaError(Kind.INVALID, f"{file} is not valid TOML: {error}.") from None
    _check_keys(file, "the top", raw, _TOP_KEYS)
    lab = LabFile(
        _port(file, raw, "port"),
        _port(file, raw, "dns_port"),
        _table(file, "names", raw),
        tuple(_tables(file, "server", raw)),
        _table(file, "policy", raw),
    )
    for name, entry in lab.names.items():
        _check_keys(file, f"names.{name}", entry, _NAME_KEYS)
    for server in lab.servers:
        _check_keys(file, f"server {server.get('host', '')}", server, _PLACE_KEYS | _BEHAVIOUR_KEYS)
    for name, policy in lab.policies.items():
        _check_keys(file, f"policy.{name}", policy, _POLICY_KEYS)
    return lab


async def build(lab: Lab, file: LabFile, name: str) -> None:
    """Put what a file says into a lab that was started. Raises EstafetaError INVALID, OSError for a port in use."""
    try:
        for host, entry in file.names.items():
            _add_name(lab, host, entry)
        for server in file.servers:
            options = {key: value for key, value in server.items() if key in _BEHAVIOUR_KEYS}
            options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
            await lab.remote(
                server["host"],
                Behaviour(**options),
                address=server.get("address", ""),
                port=server.get("port"),
            )
        for domain, policy in file.policies.items():
            await lab.policy(domain, _policy_text(policy), fault=policy.get("fault", ""), tls=policy.get("tls", "good"))
    except EstafetaError as error:
        raise EstafetaError(error.kind, f"{name}: {error.public}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise EstafetaError(Kind.INVALID, f"{name}: {_words(error)}.") from None


def _add_name(lab: Lab, host: str, entry: Mapping[str, Any]) -> None:
    lab.names.add(
        host,
        a=_strings(entry, "a"),
        aaaa=_strings(entry, "aaaa"),
        mx=[(int(preference), exchange) for preference, exchange in _words_of(entry, "mx", 2)],
        txt=_strings(entry, "txt"),
        tlsa=[(int(u), int(s), int(m), bytes.fromhex(data)) for u, s, m, data in _words_of(entry, "tlsa", 4)],
        cname=entry.get("cname", ""),
        secure=bool(entry.get("secure", False)),
        ttl=int(entry.get("ttl", 300)),
    )
    for address in _strings(entry, "ptr"):
        lab.names.add_ptr(address, host)
    lab.names.fault(host, entry.get("fault", ""))


def _policy_text(policy: Mapping[str, Any]) -> str:
    if "text" in policy:
        return str(policy["text"])
    lines = ["version: STSv1", f"mode: {policy.get('mode', 'enforce')}"]
    lines += [f"mx: {host}" for host in _strings(policy, "mx")]
    return "\n".join([*lines, f"max_age: {policy.get('max_age', 86_400)}", ""])


def _strings(table: Mapping[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    return [value] if isinstance(value, str) else [str(each) for each in value]


def _words_of(table: Mapping[str, Any], key: str, count: int) -> list[list[str]]:
    found = [line.split() for line in _strings(table, key)]
    for words in found:
        if len(words) != count:
            raise ValueError(f"{key} {' '.join(words)!r} needs {count} words")
    return found


def _table(file: str, key: str, raw: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    value = raw.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise EstafetaError(Kind.INVALID, f'{file}: write {key} as [{key}."NAME"].')
    return value


def _tables(file: str, key: str, raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    value = raw.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) and each.get("host") for each in value):
        raise EstafetaError(Kind.INVALID, f"{file}: write each {key} as [[{key}]] with a host.")
    return value


def _port(file: str, raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key, 0)
    if not isinstance(value, int) or not 0 <= value <= 65_535:
        raise EstafetaError(Kind.INVALID, f"{file}: {key} must be a port, 0 to 65535.")
    return value


def _check_keys(file: str, where: str, table: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise EstafetaError(
            Kind.INVALID, f"{file}: unknown key `{unknown[0]}` in {where}; known here are {', '.join(sorted(known))}."
        )


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
