"""Phrases of two trades that write to everybody: sharing millions, and selling what nobody asked for.

One phrase in a line, with what is as good as it after `|`; a line counts once. Phrases are whole words; `*` at the end
is for the rest of a word. Only those are sought whose first word is there, since this is asked of every message.

One phrase says nothing; rules want several of a kind. English, as nearly all of such mail is: what is written in other
languages is for Bayes to learn.
"""

from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from estafeta.core.once import once

#: Of those who have millions to share.
MONEY = """
next of kin
beneficiary|beneficiaries
inheritance|inherited
late mr|late client|late father|late husband|deceased
barrister
million dollars|million us dollars|million united states dollars|million u s dollars|million usd|million euro*
million pounds|million united kingdom pounds
transfer the fund*|transfer of fund*|transfer this fund*|transfer the money|transfer this money|transfer the sum
strictly confidential|strict confidence|strictest confidence|utmost confidence
foreign partner|foreign account|foreign bank
atm card|western union|moneygram|bank draft|certified cheque
lottery|sweepstake|sweepstakes|jackpot
winning number*|winning notification|lucky number*|you have won|won the sum
god bless|god fearing|dear friend|dear beloved
business proposal|mutual proposal
compensation fund*|compensation payment
"""

#: Of those who sell.
SALES = """
viagra|v1agra|cialis|c1alis|levitra
xanax|valium|phentermine
online pharmac*
penis
enlargement|enlarge
horny|xxx|porn|porno|slut|sluts
replica watch*|replica rolex
refinance|refinancing|refinanced
mortgage rate*|mortgage lead*|mortgage quote*
lowest mortgage*|lowest rate*|lowest price*
no credit check*|no obligation|no prescription*
risk free|risk-free
100% free|100% guaranteed|100% satisf*
money back guarantee*|money-back guarantee*
work from home|work at home
earn $*|earn up to $*|extra income|extra cash
financial freedom|financially free|financial independence|financially independent
act now
limited time
order now
click here to|click here for|click here now|click below to|click below for|click below now
once in a lifetime
bulk email*|bulk e-mail*|bulk mail*
million email addresses|million e-mail addresses
removed from our|removed from this|removed from future|remove from our|remove from this|remove from future
this is not spam|section 301|s 1618
casino bonus|casino online|poker online|online casino*|online gambling
weight loss|lose weight|lose up to|diet pill|diet pills
diploma|diplomas
hidden assets|hidden fees
dear sir|dear madam|dear homeowner|dear winner|dear customer
get rich|get paid
be your own boss
credit repair|credit rating|credit card debt*
"""


class Phrase(NamedTuple):
    """`line`, `place`: where it stands in the list; `sought`: as it stands among words."""

    line: int
    place: int
    sought: str


#: The first word of phrases, and these.
Phrases = Mapping[str, tuple[Phrase, ...]]

# What stands between words; `$`, `%` and `-` are of them.
_BETWEEN = str.maketrans(dict.fromkeys("\"'.,;:!?()[]{}<>/\\|*_=~#&+^`\u2019\u2018\u201c\u201d", " "))


class Words:
    """A text as phrases are sought in it: lower case, one space between words; `known`: the words by themselves."""

    def __init__(self, text: str = "") -> None:
        self._all = text.lower().translate(_BETWEEN).split()
        self.known = frozenset(self._all)

    @once
    def text(self) -> str:
        """All of it."""
        return f" {' '.join(self._all)} "


def read_phrases(lines: str) -> Phrases:
    """What is sought, line by line."""
    found: dict[str, tuple[Phrase, ...]] = {}
    for line, alternatives in enumerate(filter(None, lines.split("\n"))):
        for place, phrase in enumerate(alternatives.split("|")):
            first = phrase.split(" ")[0]
            sought = f" {phrase[:-1]}" if phrase.endswith("*") else f" {phrase} "
            found[first] = (*found.get(first, ()), Phrase(line, place, sought))
    return found


def find_phrases(phrases: Phrases, words: Words) -> list[str]:
    """What of them stands there, one of each line."""
    begun = (phrases[first] for first in phrases.keys() & words.known)
    found: dict[int, str] = {}
    for one in sorted(chain.from_iterable(begun)):
        if one.line not in found and one.sought in words.text:
            found[one.line] = one.sought.strip()
    return list(found.values())
