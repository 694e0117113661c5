"""What the daily letter about held mail says, in three languages. Names in braces are put in by `heldletters`."""

from typing import NamedTuple


class Texts(NamedTuple):
    """`one` is said of each message; `link` and `ask` are how its recipient gets it; `more` when not all are named."""

    subject: str
    intro: str
    one: str
    link: str
    ask: str
    more: str


ENGLISH = Texts(
    "Held for you: {count}",
    """Filters of {host} hold mail for {who}. Each message is deleted on its day unless it is delivered before.

What a message says of its sender may be false. Let only those be delivered that you expect.
""",
    """From: {author}
Subject: {subject}
Came: {came} (UTC); deleted on {until}
Why: {reason}
""",
    "Look, deliver, delete: {link}\n",
    "Those who run the server can deliver it: {postmaster}, number {ident}\n",
    "{more} more are in the next letter.\n",
)

SPANISH = Texts(
    "Retenidos para usted: {count}",
    """Los filtros de {host} retienen correo para {who}. Cada mensaje se borra en su día si antes no se entrega.

Lo que un mensaje dice de su remitente puede ser falso. Haga que se entreguen solo los que espera.
""",
    """De: {author}
Asunto: {subject}
Llegó: {came} (UTC); se borra el {until}
Motivo: {reason}
""",
    "Ver, entregar, borrar: {link}\n",
    "Puede entregarlo quien administra el servidor: {postmaster}, número {ident}\n",
    "Hay {more} más, en la próxima carta.\n",
)

JAPANESE = Texts(
    "保留中のメール: {count}",
    """{host} のフィルターが {who} 宛てのメールを保留しています。配信されないものは、それぞれの期日に削除されます。

差出人の表示は偽られていることがあります。心当たりのあるものだけを配信してください。
""",
    """差出人: {author}
件名: {subject}
受信: {came} (UTC)、削除: {until}
理由: {reason}
""",
    "確認・配信・削除: {link}\n",
    "配信できるのはサーバーの管理者です: {postmaster}、番号 {ident}\n",
    "このほか {more} 件は次のお知らせに載ります。\n",
)

TEXTS = {"en": ENGLISH, "es": SPANISH, "ja": JAPANESE}
