"""Notices in English."""

from estafeta.mail.dsn_reasons import Reason
from estafeta.mail.dsn_words import Action, Advice, NoticeKind, Words

ENGLISH = Words(
    tag="en",
    from_name="Mail Delivery",
    wraps=True,
    subjects={
        NoticeKind.FAILURE: "Not delivered: {subject}",
        NoticeKind.DELAY: "Delayed: {subject}",
        NoticeKind.SUCCESS: "Delivered: {subject}",
    },
    no_subject="your message",
    openings={
        NoticeKind.FAILURE: (
            'Your message "{subject}", which reached the mail server {hostname} on {date}, could not be delivered to '
            "everyone. It did not arrive at:"
        ),
        NoticeKind.DELAY: (
            'Your message "{subject}", which reached the mail server {hostname} on {date}, is on its way, but it '
            "takes "
            "longer than usual. You need not do anything, and please do not send it again. It has not yet arrived at:"
        ),
        NoticeKind.SUCCESS: (
            'You asked to hear when your message "{subject}" of {date} arrives. The mail server {hostname} can confirm:'
        ),
    },
    label_to_do="What you can do: {text}",
    server_said="The server {mta} said:",
    we_say="In technical words:",
    given_up="We tried for {span} and have now given up.",
    retry_until="We keep trying until {date}. Should it fail, you will hear from us.",
    done={
        Action.DELIVERED: "Delivered to the mailbox.",
        Action.RELAYED: (
            "Passed on to {mta}, which sends no confirmations. You will hear of it only if something goes wrong there."
        ),
        Action.EXPANDED: (
            "Delivered to a list or a group and passed on to its members. There are no confirmations from them."
        ),
    },
    reasons={
        Reason.UNKNOWN_ADDRESS: Advice(
            "Nobody at {domain} has this address.",
            "Look for typing errors, above all before the @. If the address is right as far as you know, ask the "
            "person by "
            "telephone or another way whether it still exists, then send your message again.",
        ),
        Reason.BAD_ADDRESS: Advice(
            "The server of {domain} cannot read this address.",
            "Look for typing errors, such as missing letters, blanks or a comma instead of a dot, then send again.",
        ),
        Reason.MOVED: Advice(
            "This address has moved, or belongs to someone else now.",
            "The answer of the server, below, may tell the new address. Otherwise ask the person for it.",
        ),
        Reason.DISABLED: Advice(
            "The mailbox exists, but it is switched off and takes no mail.",
            "Reach the person another way. Only the administrators of {domain} can switch it on.",
        ),
        Reason.FULL: Advice(
            "The mailbox is full.",
            "Tell the person another way, and send your message again once there is room.",
        ),
        Reason.TOO_LARGE: Advice(
            "The message is larger than the server of {domain} accepts.",
            "Send it with smaller attachments, in several messages, or put the files where they can be fetched "
            "and send "
            "a link.",
        ),
        Reason.NO_DOMAIN: Advice(
            "There is no mail server for {domain}: either the name is misspelt or it is not set up for mail.",
            "Look for typing errors after the @. If it is right, the owner of {domain} has to put it in order.",
        ),
        Reason.TAKES_NO_MAIL: Advice(
            "{domain} takes no mail for this address.",
            "Look for typing errors after the @, and ask the person for an address that receives mail.",
        ),
        Reason.SENDER: Advice(
            "The server of {domain} does not accept your own address as the sender.",
            "Check the sender address in your mail program. If it is right, show this notice to your administrators.",
        ),
        Reason.SENDER_NOT_PROVEN: Advice(
            "The server of {domain} could not verify that the message really comes from your domain.",
            "Show this notice to your administrators: the SPF, DKIM or DMARC records of your domain, or the name "
            "of the "
            "sending server, need attention.",
        ),
        Reason.SPAM: Advice(
            "The server of {domain} took the message, or the server that sent it, for a source of spam.",
            "Reach the person another way, or send a plainer message without links and attachments. Show this "
            "notice to "
            "your administrators, who can ask {domain} to remove the block.",
        ),
        Reason.VIRUS: Advice(
            "The server of {domain} found a virus, or what looks like one, in the message.",
            "Do not send it again before you have had your computer and the attachments checked.",
        ),
        Reason.POLICY: Advice(
            "The server of {domain} refused the message because of its own rules.",
            "Its answer, below, often tells which rule. Change the message accordingly, or ask the person to "
            "have you "
            "admitted.",
        ),
        Reason.NOT_A_MEMBER: Advice(
            "Only some may write to this address, and your address is not among them.",
            "If it is a mailing list, subscribe first, or use the address with which you did. Otherwise ask the owner.",
        ),
        Reason.LOGIN: Advice(
            "A mail server on the way refused our own name and password.",
            "You have made no mistake. Show this notice to your administrators, and send again when they have "
            "mended it.",
        ),
        Reason.TLS: Advice(
            "A connection that is safe enough could not be made with the server of {domain}, so nothing was sent.",
            "Show this notice to your administrators, or reach the person another way. Do not send secrets "
            "unprotected.",
        ),
        Reason.UTF8: Advice(
            "The server of {domain} cannot handle addresses or headers with letters such as ñ or 日.",
            "Ask the person for an address in plain Latin letters, or write from such an address yourself.",
        ),
        Reason.CONTENT: Advice(
            "The server of {domain} cannot handle the form of this message.",
            "Send it again as plain text, or with attachments of a common kind.",
        ),
        Reason.LOOP: Advice(
            "The message went round in circles between servers.",
            "You have made no mistake. Show this notice to the administrators of {domain}, or to your own.",
        ),
        Reason.NO_ANSWER: Advice(
            "The mail server of {domain} does not answer.",
            "Look for typing errors after the @. If it is right, try again later, or reach the person another way.",
        ),
        Reason.NAMES: Advice(
            "The address of the mail server of {domain} could not be found out.",
            "Look for typing errors after the @. If it is right, try again later.",
        ),
        Reason.BUSY: Advice(
            "The mail server of {domain} is too busy, or has no room, to take the message.",
            "Try again later, or reach the person another way.",
        ),
        Reason.LATER: Advice(
            "The server of {domain} asked us to come back later.",
            "Try again later. If it happens again, show this notice to your administrators.",
        ),
        Reason.TOO_MANY: Advice(
            "The message has more recipients than the server of {domain} takes at once.",
            "Send it to fewer recipients at a time.",
        ),
        Reason.SYSTEM: Advice(
            "The mail server of {domain} has a fault.",
            "Try again later. If it goes on, tell the person another way, who can tell the administrators there.",
        ),
        Reason.EXPIRED: Advice(
            "The message waited too long for the server of {domain}.",
            "Try again later, or reach the person another way.",
        ),
        Reason.REMOVED: Advice(
            "The administrators of this server took the message out of the queue.",
            "Ask them why, at the address below.",
        ),
        Reason.OTHER: Advice(
            "The server of {domain} did not accept the message.",
            "Its answer, below, may tell why. If it does not help, show this notice to your administrators.",
        ),
    },
    more="And {count} more, which are listed in the attached report.",
    returned_whole="Your message is attached, so that you can send it again.",
    returned_header="The header of your message is attached, so that you can tell which one it was.",
    help="Questions? Write to {contact} and give the number {ident}. A program wrote this; an answer to it is "
    "read by nobody "
    "else.",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    date="{day} {month} {year}, {time} UTC",
    spans={
        "minutes": ("a minute", "{count} minutes"),
        "hours": ("an hour", "{count} hours"),
        "days": ("a day", "{count} days"),
    },
)
