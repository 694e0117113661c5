"""Letters of lists in Spanish, as in `texts_en`."""

LINK = "\nO abra esta página:\n{link}\n"

LETTERS = {
    "confirm_join": (
        "Confirme, por favor: suscribirse a {title}",
        """Alguien, esperamos que usted, quiere que {who} reciba el correo de la lista {list}.
{description}
Si es correcto, basta con responder a este mensaje sin cambiar el asunto.
{link}
Si no ha sido usted, no haga nada: no se suscribirá a nadie. Se puede confirmar durante {days} días.
""",
    ),
    "confirm_leave": (
        "Confirme, por favor: darse de baja de {title}",
        """Alguien, esperamos que usted, quiere que {who} deje de recibir el correo de la lista {list}.

Si es correcto, basta con responder a este mensaje sin cambiar el asunto.
{link}
Si no ha sido usted, no haga nada y todo seguirá igual. Se puede confirmar durante {days} días.
""",
    ),
    "welcome": (
        "Le damos la bienvenida a {title}",
        """{who} es ahora miembro de la lista {list}.
{description}
Para escribir a todos: {list}
Para darse de baja: escriba cualquier mensaje a {unsubscribe}
Ayuda: escriba cualquier mensaje a {request}
Los responsables de la lista: {owner}
""",
    ),
    "goodbye": (
        "Se ha dado de baja de {title}",
        """{who} ya no recibe correo de la lista {list}.

Si ha sido un error, escriba cualquier mensaje a {subscribe}.
""",
    ),
    "already": (
        "Ya es miembro de {title}",
        """{who} ya es miembro de la lista {list}; nada ha cambiado.

Para darse de baja: escriba cualquier mensaje a {unsubscribe}
""",
    ),
    "no_member": (
        "No es miembro de {title}",
        """{who} no es miembro de la lista {list}, así que no hay de qué darse de baja.

Quizá reciba su correo en otra dirección: escriba desde ella. Si no sirve, los responsables de la lista \
pueden ayudarle: {owner}
""",
    ),
    "closed": (
        "{title} no admite suscripciones por correo",
        """La lista {list} no admite suscripciones por correo. Los responsables pueden ayudarle: {owner}
""",
    ),
    "asked": (
        "Su solicitud para {title} espera la decisión de los responsables",
        """Se ha preguntado a los responsables de la lista {list} si {who} puede suscribirse. Recibirá noticias suyas.
""",
    ),
    "admit": (
        "¿Puede suscribirse a {title}? <{who}>",
        """{who} quiere suscribirse a la lista {list}.

Para aceptar, basta con responder a este mensaje sin cambiar el asunto. Si no, no haga nada. Vale durante {days} días.
""",
    ),
    "held": (
        "Su mensaje a {title} espera aprobación",
        """Su mensaje a la lista {list} espera a que lo apruebe alguien que cuida de la lista.

Asunto: {subject}
Motivo: {reason}
""",
    ),
    "moderate": (
        "¿Aprobar para {title}? {subject}",
        """Un mensaje a la lista {list} espera su decisión.

De:     {who}
Asunto: {subject}
Tamaño: {size} KiB
Motivo: {reason}

Empieza así:

    {text}

Para enviarlo a la lista, basta con responder a este mensaje.
Para descartarlo, escriba cualquier mensaje a {reject}
{link}
Decide quien responda primero. A los {days} días se descarta. En el servidor: estafeta list moderate {list}
""",
    ),
    "rejected": (
        "Su mensaje a {title} no se ha aprobado",
        """Su mensaje a la lista {list} no se ha aprobado y no se ha enviado.

Asunto: {subject}

Preguntas: {owner}
""",
    ),
    "bounced": (
        "Se le ha dado de baja de {title}",
        """El correo de la lista {list} para {who} ha sido devuelto en {days} días distintos, \
la última vez por este motivo:

    {reason}

Por eso ya no se le envía. Si el problema está resuelto, escriba cualquier mensaje a {subscribe} \
para volver a recibirlo.
""",
    ),
    "bounced_owner": (
        "{who} ha sido dado de baja de {title}",
        """El correo de la lista {list} para {who} ha sido devuelto en {days} días distintos, \
la última vez por este motivo:

    {reason}

Por eso {who} ya no es miembro. Para volver a suscribirlo: estafeta list subscribe {list} {who}
""",
    ),
    "help": (
        "Cómo usar {title}",
        """Esto es lo que puede hacer con la lista {list}.
{description}
Para suscribirse:   escriba cualquier mensaje a {subscribe}
Para darse de baja: escriba cualquier mensaje a {unsubscribe}
Para escribir a todos: {list}
Los responsables de la lista: {owner}

O escriba a {request} con una de estas palabras como asunto: alta, baja, ayuda.
""",
    ),
    "bad_token": (
        "No se ha podido confirmar: {title}",
        """Su respuesta a la lista {list} no se ha podido usar: ha llegado tarde, o desde una dirección distinta \
de la que se trata, o se ha perdido una parte en el camino. Nada ha cambiado.

Para empezar de nuevo: escriba a {subscribe} o {unsubscribe} desde la dirección de la que se trata.
Los responsables de la lista pueden ayudarle: {owner}
""",
    ),
}
