"""Settings of Bayes: what is learnt from whom, and how much it counts."""

from pydantic import Field

from estafeta.directory.settings_base import Section


class Bayes(Section):
    """Learning from what people move into and out of Junk, and judging by it."""

    enabled: bool = Field(
        default=True, description="Judge mail of strangers by its words. Learning goes on either way."
    )
    learn_from_users: bool = Field(
        default=True,
        description="Learn when a user moves a message into or out of Junk, or marks it $Junk or $NotJunk: for that "
        "user, and for the site.",
    )
    least_ham: int = Field(
        default=100, ge=1, le=1_000_000, description="Good messages that the site must have learnt before it judges."
    )
    least_spam: int = Field(default=100, ge=1, le=1_000_000, description="Spam that it must have learnt, likewise.")
    user_least_ham: int = Field(
        default=20, ge=1, le=1_000_000, description="Good messages that a user's own learning must have seen to count."
    )
    user_least_spam: int = Field(default=20, ge=1, le=1_000_000, description="Spam that it must have seen, likewise.")
    spam_points: float = Field(
        default=4.5,
        ge=0.0,
        le=100.0,
        description="Points of a message that is certainly spam: below policy.junk_score, words alone are not enough.",
    )
    ham_points: float = Field(
        default=-2.5, ge=-100.0, le=0.0, description="Points of a message that is good for certain."
    )
    pairs: bool = Field(
        default=False,
        description="Look at pairs of neighbouring words too: a little more exact, for twice the time and room. What "
        "was learnt before stays.",
    )
    site_lessons_per_user: int = Field(
        default=200,
        ge=0,
        le=1_000_000,
        description="Messages a day that one user teaches the site, so that a stolen account cannot teach it nonsense. "
        "Its own learning has no such bound. 0: none, users teach only themselves.",
    )
    automatic: bool = Field(
        default=True,
        description="Learn for the site without a user: spam from automatic_spam_score on, good mail of known "
        "correspondents with DMARC from automatic_ham_score down. Points of Bayes itself do not count here.",
    )
    automatic_spam_score: float = Field(
        default=12.0, ge=5.0, le=1000.0, description="Points from which a message is learnt as spam."
    )
    automatic_ham_score: float = Field(
        default=-2.0, ge=-1000.0, le=-0.5, description="Points down to which a message must be to be learnt as good."
    )
    automatic_per_day: int = Field(
        default=500,
        ge=0,
        le=1_000_000,
        description="Messages a day learnt so, of the whole site; spam and good together.",
    )
    messages_per_minute: int = Field(
        default=1200,
        ge=60,
        le=100_000,
        description="Messages that were moved and are learnt in a minute: a move of many is learnt little by little. "
        "Each costs some 5 ms.",
    )
    forget_words_days: int = Field(
        default=90,
        ge=7,
        le=3650,
        description="Words that one message only had are forgotten after so many days.",
    )
    remember_messages_days: int = Field(
        default=180,
        ge=1,
        le=3650,
        description="How long what was learnt from a message can be taken back when it is moved again. Takes about "
        "1.5 KiB for each message learnt.",
    )
    junk_keep_days: int = Field(
        default=0,
        ge=0,
        le=3650,
        description="Remove messages that have been in Junk for so many days, unless they are flagged. 0: never.",
    )
