"""Phrases of two trades that write to everybody: sharing millions, and selling what nobody asked for.

Regular expressions, one in a line, without regard to case. One alone says nothing; rules want several of a kind.
English, as nearly all of such mail is; what is written elsewhere is for Bayes to learn.
"""

import re

#: Of those who have millions to share.
MONEY = r"""
\bnext of kin\b
\bbeneficiar(?:y|ies)\b
\binherit(?:ance|ed)\b
\b(?:late|deceased) (?:mr|client|father|husband|customer)\b
\bbarrister\b
\b(?:million|billion) (?:us|united states|u\.s\.)? ?(?:dollars|euros?|pounds)\b
\b(?:us ?)?\$ ?\d[\d.,]* ?(?:million|m\b)
\btransfer(?:red)? (?:of )?(?:the |this )?(?:fund|sum|money)
\bstrict(?:ly|est)? (?:confidential|confidence)
\bforeign (?:partner|account|bank)
\b(?:atm card|western union|moneygram|bank draft|certified cheque)\b
\b(?:lottery|sweepstake|jackpot)
\b(?:winning|lucky|won) (?:number|notification|the sum)
\b(?:god bless|god fearing|dear (?:friend|beloved))\b
\b(?:business|mutual) proposal\b
\bcompensation (?:fund|payment)\b
"""

#: Of those who sell.
SALES = r"""
\bv[i1!|]agra\b
\bc[i1!|]al[i1!|]s\b
\b(?:levitra|xanax|valium|phentermine)\b
\bonline pharmac
\bpenis\b
\benlarge(?:ment)?\b
\b(?:horny|xxx|porn\w*|sluts?)\b
\breplica (?:watch|rolex)
\brefinanc
\bmortgage (?:rate|lead|quote)
\blowest (?:mortgage|rates?|prices?)\b
\bno (?:credit check|obligation|prescription)\b
\brisk[ -]free\b
\b100% (?:free|guaranteed|satisf)
\bmoney[ -]back guarantee
\bwork (?:from|at) home\b
\bearn (?:up to )?\$|\bextra (?:income|cash)\b
\bfinancial(?:ly)? (?:freedom|independen)
\bact now\b
\blimited time\b
\border now\b
\bclick (?:here|below) (?:to|for|now)\b
\bonce in a lifetime\b
\bbulk (?:e-?)?mail
\b(?:million|\d{2,} ?million) e-?mail addresses
\bremoved? from (?:our|this|future) (?:mailing|list|e-?mail)
\bthis is not spam\b|\bsection 301\b|\bs\.? ?1618\b
\b(?:casino|gambling|poker) (?:bonus|online)|\bonline casino
\blose (?:up to )?\d+ (?:pounds|lbs|kg)|\bweight loss\b
\b(?:university )?diplomas?\b
\bhidden (?:assets|fees)\b
\bdear (?:sir|madam|homeowner|winner|customer)\b
\bget (?:rich|paid)\b
\bbe your own boss\b
\bcredit (?:repair|rating|cards? debt)\b
"""


def compile_phrases(lines: str) -> tuple[re.Pattern[str], ...]:
    """One pattern for each line."""
    return tuple(re.compile(line, re.IGNORECASE) for line in lines.split("\n") if line)


def find_phrases(patterns: tuple[re.Pattern[str], ...], text: str) -> list[str]:
    """What of them the text says, in lower case, each pattern once."""
    return [match[0].lower() for match in (pattern.search(text) for pattern in patterns) if match is not None]
