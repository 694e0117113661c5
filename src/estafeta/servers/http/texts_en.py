"""The pages in English."""

from estafeta.servers.http.texts import Texts

ENGLISH = Texts(
    address_label="Your e-mail address",
    join="Subscribe",
    leave="Unsubscribe",
    join_and_leave="You will get a message at this address. Nothing changes before you have done what it says.",
    leave_only="You will get a message at this address. You stay subscribed until you have done what it says.",
    closed="This list takes no subscriptions here.",
    responsible="The people who run the list",
    asked_title="Look into your mailbox",
    asked="A message is on its way to {who}. Nothing changes before you have done what it says.",
    asked_more="If nothing comes within a few minutes, look among the unwanted messages.",
    confirm_join_title="Subscribe to {title}?",
    confirm_join="{who} will get the mail of the list {list}.",
    confirm_leave_title="Unsubscribe from {title}?",
    confirm_leave="{who} will get no more mail of the list {list}.",
    joined_title="You are subscribed",
    joined="{who} is a member of the list {list} now.",
    left_title="You are unsubscribed",
    left="{who} gets no more mail of the list {list}.",
    already_left="You get no more mail of the list {list}.",
    mistake="Was that a mistake? Subscribe again",
    no_address_title="This is not an e-mail address",
    no_address="Please go back and write it as name@example.org.",
    no_list="There is no such list here",
    full="The list is full; the people who run it can help: {owner}",
    old_link_title="This link no longer works",
    old_link="It is too old, or was not copied whole. To leave a list, write any message to its address with "
    "-unsubscribe before the @, or answer one of its messages and ask.",
    errors={
        400: ("This request cannot be understood", "Please go back and try again."),
        403: ("This is not permitted", "Use an address that begins with https:// instead."),
        404: ("There is nothing here", "Check the address, or ask whoever gave it to you."),
        405: ("This cannot be done here", "The address is right, but not for what your program wanted to do."),
        413: ("That was too much", "This page takes only a few thousand characters."),
        429: ("Too many requests", "Please try again in an hour."),
        500: ("Something went wrong", "It was our fault, and it has been noted. Please try again later."),
        503: ("Not at the moment", "The server cannot do this now. Please try again in a few minutes."),
    },
)
