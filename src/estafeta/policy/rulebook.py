"""Everything that gives points by a name that `spam.points_rules` knows, for a person to read."""

from collections.abc import Iterator

from estafeta.policy import authentication, clientchecks, reputation, rules

_AUTHENTICATION = {
    "spf-fail": "SPF says that the client may not send for this domain.",
    "spf-softfail": "SPF says that it probably may not.",
    "spf-permerror": "The SPF record of the domain is wrong.",
    "spf-none": "The domain has no SPF record.",
    "dkim-invalid": "There are signatures, and none is right.",
    "dmarc-fail": "DMARC failed, and the domain asks for nothing.",
}


def rulebook() -> Iterator[tuple[str, float, str]]:
    """Names, points unless the site has others, and what each finds."""
    for name, points in authentication.POINTS.items():
        yield name, points, _AUTHENTICATION[name]
    for name, (points, words) in clientchecks.POINTS.items():
        yield name, points, words
    for rule in rules.RULES:
        yield rule.name, rule.points, rule.words
    yield "correspondent", reputation.CORRESPONDENT_POINTS, "Users here write to this sender, and it is proven."
