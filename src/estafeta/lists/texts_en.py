"""Letters of lists in English: a subject and a text for each `letters.Letter`, and the line for a link."""

LINK = "\nOr open this page:\n{link}\n"

LETTERS = {
    "confirm_join": (
        "Please confirm: join {title}",
        """Somebody, you we hope, wants {who} to get the mail of the list {list}.
{description}
If that is right, just answer this message, without changing its subject.
{link}
If it was not you, do nothing: nobody will be subscribed. This can be confirmed for {days} days.
""",
    ),
    "confirm_leave": (
        "Please confirm: leave {title}",
        """Somebody, you we hope, wants {who} to get no more mail of the list {list}.

If that is right, just answer this message, without changing its subject.
{link}
If it was not you, do nothing, and all stays as it is. This can be confirmed for {days} days.
""",
    ),
    "welcome": (
        "Welcome to {title}",
        """{who} is now a member of the list {list}.
{description}
To write to all members: {list}
To leave: write any message to {unsubscribe}
Help: write any message to {request}
The people who run the list: {owner}
""",
    ),
    "goodbye": (
        "You have left {title}",
        """{who} gets no more mail of the list {list}.

If that was a mistake, write any message to {subscribe}.
""",
    ),
    "already": (
        "You are a member of {title} already",
        """{who} is a member of the list {list} already; nothing has changed.

To leave: write any message to {unsubscribe}
""",
    ),
    "no_member": (
        "You are no member of {title}",
        """{who} is no member of the list {list}, so there is nothing to leave.

Perhaps you get its mail under another address: write from that one. If that does not help, the people who run \
the list can: {owner}
""",
    ),
    "closed": (
        "{title} takes no subscriptions by mail",
        """The list {list} takes no subscriptions by mail. The people who run it can help: {owner}
""",
    ),
    "asked": (
        "Your wish to join {title} waits for its owner",
        """The people who run the list {list} have been asked whether {who} may join. You will hear from them.
""",
    ),
    "admit": (
        "May this person join {title}? <{who}>",
        """{who} wants to join the list {list}.

To agree, just answer this message, without changing its subject. Otherwise do nothing. This counts for {days} days.
""",
    ),
    "held": (
        "Your message to {title} waits for approval",
        """Your message to the list {list} waits until somebody who looks after the list approves it.

Subject: {subject}
Why: {reason}
""",
    ),
    "moderate": (
        "Approve for {title}? {subject}",
        """A message to the list {list} waits for you.

From:    {who}
Subject: {subject}
Size:    {size} KiB
Why:     {reason}

It begins:

    {text}

To send it to the list, just answer this message.
To throw it away, write any message to {reject}
{link}
Whoever is first decides. After {days} days it is thrown away. On the server: estafeta list moderate {list}
""",
    ),
    "rejected": (
        "Your message to {title} was not approved",
        """Your message to the list {list} was not approved, and has not been sent.

Subject: {subject}

Questions: {owner}
""",
    ),
    "bounced": (
        "You were taken out of {title}",
        """Mail of the list {list} to {who} has come back on {days} days, the last time with this reason:

    {reason}

So it is not sent there any more. If the trouble is over, write any message to {subscribe} to get it again.
""",
    ),
    "bounced_owner": (
        "{who} was taken out of {title}",
        """Mail of the list {list} to {who} has come back on {days} days, the last time with this reason:

    {reason}

So {who} is no member any more. To put them in again: estafeta list subscribe {list} {who}
""",
    ),
    "help": (
        "How to use {title}",
        """This is what you can do with the list {list}.
{description}
To join:  write any message to {subscribe}
To leave: write any message to {unsubscribe}
To write to all members: {list}
The people who run the list: {owner}

Or write to {request} with one of these words as the subject: subscribe, unsubscribe, help.
""",
    ),
    "bad_token": (
        "That could not be confirmed: {title}",
        """Your answer to the list {list} could not be used: it is too late, or it came from another address \
than the one it is about, or part of it was lost on the way. Nothing has changed.

To begin again: write to {subscribe} or {unsubscribe}, from the address that it is about.
The people who run the list can help: {owner}
""",
    ),
}
