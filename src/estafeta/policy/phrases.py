"""Phrases of two trades that write to everybody: sharing millions, and selling what nobody asked for.

One phrase in a line, with what is as good as it after `|`; a line counts once. Phrases are whole words; `*` at the end
is for the rest of a word. Only those are sought whose first word is there, since this is asked of every message.

One phrase says nothing; rules want several of a kind. English, as nearly all of such mail is: what is written in other
languages is for Bayes to learn.
"""

from typing import NamedTuple

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
    """`first`: its first word; `sought`: as it stands among words."""

    first: str
    sought: str


class Words(NamedTuple):
    """A text as phrases are sought in it: lower case, one space between words, and the words by themselves."""

    text: str = " "
    known: frozenset[str] = frozenset()


Phrases = tuple[tuple[Phrase, ...], ...]

# What stands between words; `$`, `%` and `-` are of them.
_BETWEEN = str.maketrans(dict.fromkeys("\"'.,;:!?()[]{}<>/\\|*_=~#&+^`\u2019\u2018\u201c\u201d", " "))


def read_phrases(lines: str) -> Phrases:
    """What is sought, line by line."""
    return tuple(tuple(map(_read, line.split("|"))) for line in lines.split("\n") if line)


def words_of(text: str) -> Words:
    """The words of a text."""
    words = text.lower().translate(_BETWEEN).split()
    return Words(f" {' '.join(words)} ", frozenset(words))


def find_phrases(phrases: Phrases, words: Words) -> list[str]:
    """What of them stands there, one of each line."""
    found = (next((one.sought for one in line if one.first in words.known and one.sought in words.text), "")
             for line in phrases)  # fmt: skip
    return [one.strip() for one in found if one]


def _read(phrase: str) -> Phrase:
    first = phrase.split(" ")[0]
    return Phrase(first, f" {phrase[:-1]}" if phrase.endswith("*") else f" {phrase} ")
