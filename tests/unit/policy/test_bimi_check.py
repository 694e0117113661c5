"""BIMI in Authentication-Results: only where the setting is on, and only where DMARC vouches."""

import asyncio

from dmarc_kit import Names, facts_of, settings

from estafeta.policy import authentication, bimi_check
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.front import write_front
from estafeta.policy.judgement import Judgement
from estafeta.trust.spf import SpfResult
from estafeta.trust.spfrecord import SpfStatus

RECORD = b"v=BIMI1; l=https://example.org/logo.svg; a=https://example.org/vmc.pem"


def front(policy: bytes, *, bimi: bool = True, record: bytes = RECORD, failing: str = "") -> str:
    names = Names()
    names.put("_dmarc.example.org", policy)
    names.put("default._bimi.example.org", record)
    names.failing.add(failing)
    current = settings(dmarc={"bimi": bimi}).current
    checks = (*authentication.checks(names, "mx.here.test"), *bimi_check.checks(names))
    facts = facts_of(None, b"From: a@example.org\r\nSubject: x\r\n\r\n")
    facts.found = {"spf": SpfResult(SpfStatus.PASS, "example.org"), "dkim": []}

    async def ask() -> None:
        chain = Chain([one for one in checks if one.name in ("dmarc", "bimi")], current)
        said = chain.judge(Stage.CONTENT, facts)
        if not isinstance(said, list):
            await said

    asyncio.run(ask())
    written = write_front(Judgement(), facts, current, "mx.here.test").front
    return " ".join(written.decode().split())


def test_where_the_logo_is():
    assert (
        "bimi=pass header.d=example.org header.selector=default policy.authority=none "
        'policy.authority-uri="https://example.org/vmc.pem" policy.indicator-uri="https://example.org/logo.svg"'
    ) in front(b"v=DMARC1; p=reject")


def test_nothing_is_said_of_what_is_not_vouched_for_or_not_wanted():
    assert "bimi" not in front(b"v=DMARC1; p=none")
    assert "bimi" not in front(b"v=DMARC1; p=reject", bimi=False)


def test_other_results_are_told():
    assert "bimi=declined header.d=example.org" in front(b"v=DMARC1; p=reject", record=b"v=BIMI1; l=; a=")
    assert "bimi=none" in front(b"v=DMARC1; p=reject", record=b"other")
    assert "bimi=temperror" in front(b"v=DMARC1; p=reject", failing="default._bimi.example.org")
