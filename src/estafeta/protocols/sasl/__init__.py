"""SASL (RFC 4422) without I/O: PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS. Here the server side; `client` is
the other."""

from estafeta.protocols.sasl.exchange import Exchange, Mechanism, Progress, Prompt
from estafeta.protocols.sasl.mechanisms import MECHANISMS, make_mechanism
from estafeta.protocols.sasl.outcomes import (
    Challenge,
    Failure,
    Need,
    NeedPassword,
    NeedScram,
    Outcome,
    PasswordResult,
    Reason,
    ScramKeys,
    Success,
    Supply,
)
from estafeta.protocols.sasl.prep import saslprep
from estafeta.protocols.sasl.scram import DEFAULT_ITERATIONS, SALT_BYTES, make_scram_keys

__all__ = [
    "DEFAULT_ITERATIONS",
    "MECHANISMS",
    "SALT_BYTES",
    "Challenge",
    "Exchange",
    "Failure",
    "Mechanism",
    "Need",
    "NeedPassword",
    "NeedScram",
    "Outcome",
    "PasswordResult",
    "Progress",
    "Prompt",
    "Reason",
    "ScramKeys",
    "Success",
    "Supply",
    "make_mechanism",
    "make_scram_keys",
    "saslprep",
]
