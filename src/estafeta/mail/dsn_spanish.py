"""Notices in Spanish."""

from estafeta.mail.dsn_reasons import Reason
from estafeta.mail.dsn_words import Action, Advice, NoticeKind, Words

SPANISH = Words(
    tag="es",
    from_name="Entrega de correo",
    wraps=True,
    subjects={
        NoticeKind.FAILURE: "No entregado: {subject}",
        NoticeKind.DELAY: "Con retraso: {subject}",
        NoticeKind.SUCCESS: "Entregado: {subject}",
    },
    no_subject="su mensaje",
    openings={
        NoticeKind.FAILURE: (
            "Su mensaje «{subject}», que llegó al servidor de correo {hostname} el {date}, no se ha podido "
            "entregar a "
            "todos. No ha llegado a:"
        ),
        NoticeKind.DELAY: (
            "Su mensaje «{subject}», que llegó al servidor de correo {hostname} el {date}, está en camino, pero "
            "tarda más "
            "de lo habitual. No hace falta que haga nada; por favor, no lo envíe otra vez. Todavía no ha llegado a:"
        ),
        NoticeKind.SUCCESS: (
            "Usted pidió que se le avisara de la llegada de su mensaje «{subject}» del {date}. El servidor de correo "
            "{hostname} puede confirmar lo siguiente:"
        ),
    },
    label_to_do="Qué puede hacer: {text}",
    server_said="El servidor {mta} respondió:",
    we_say="En palabras técnicas:",
    given_up="Lo hemos intentado durante {span} y ya no lo intentaremos más.",
    retry_until="Lo seguiremos intentando hasta el {date}. Si no se consigue, se lo comunicaremos.",
    done={
        Action.DELIVERED: "Entregado en el buzón.",
        Action.RELAYED: (
            "Pasado a {mta}, que no envía confirmaciones. Solo recibirá noticias si allí surge algún problema."
        ),
        Action.EXPANDED: (
            "Entregado a una lista o a un grupo y reenviado a sus miembros. De ellos no se reciben confirmaciones."
        ),
    },
    reasons={
        Reason.UNKNOWN_ADDRESS: Advice(
            "Nadie en {domain} tiene esta dirección.",
            "Busque errores al escribirla, sobre todo antes de la @. Si le parece correcta, pregunte a la "
            "persona por "
            "teléfono o por otro medio si la dirección sigue existiendo y vuelva a enviar el mensaje.",
        ),
        Reason.BAD_ADDRESS: Advice(
            "El servidor de {domain} no entiende esta dirección.",
            "Busque errores al escribirla, como letras que faltan, espacios o una coma en lugar de un punto, y "
            "vuelva a "
            "enviar el mensaje.",
        ),
        Reason.MOVED: Advice(
            "Esta dirección ha cambiado o ahora pertenece a otra persona.",
            "La respuesta del servidor, más abajo, puede indicar la nueva. Si no, pídasela a la persona.",
        ),
        Reason.DISABLED: Advice(
            "El buzón existe, pero está desactivado y no admite correo.",
            "Póngase en contacto con la persona por otro medio. Solo los administradores de {domain} pueden activarlo.",
        ),
        Reason.FULL: Advice(
            "El buzón está lleno.",
            "Avise a la persona por otro medio y vuelva a enviar el mensaje cuando haya sitio.",
        ),
        Reason.TOO_LARGE: Advice(
            "El mensaje es más grande de lo que admite el servidor de {domain}.",
            "Envíelo con adjuntos más pequeños o en varios mensajes, o deje los archivos donde se puedan descargar y "
            "mande un enlace.",
        ),
        Reason.NO_DOMAIN: Advice(
            "No hay servidor de correo para {domain}: el nombre está mal escrito o no está preparado para "
            "recibir correo.",
            "Busque errores después de la @. Si el nombre es correcto, el propietario de {domain} tiene que "
            "arreglarlo.",
        ),
        Reason.TAKES_NO_MAIL: Advice(
            "{domain} no admite correo para esta dirección.",
            "Busque errores después de la @ y pida a la persona una dirección que reciba correo.",
        ),
        Reason.SENDER: Advice(
            "El servidor de {domain} no acepta la dirección de usted como remitente.",
            "Revise la dirección del remitente en su programa de correo. Si es correcta, enseñe este aviso a sus "
            "administradores.",
        ),
        Reason.SENDER_NOT_PROVEN: Advice(
            "El servidor de {domain} no pudo comprobar que el mensaje procede de verdad de su dominio.",
            "Enseñe este aviso a sus administradores: hay que revisar los registros SPF, DKIM o DMARC de su "
            "dominio, o el "
            "nombre del servidor que envía.",
        ),
        Reason.SPAM: Advice(
            "El servidor de {domain} ha tomado el mensaje, o el servidor que lo envió, por fuente de correo no "
            "deseado.",
            "Póngase en contacto con la persona por otro medio, o envíe un mensaje más sencillo, sin enlaces ni "
            "adjuntos. "
            "Enseñe este aviso a sus administradores, que pueden pedir a {domain} que retire el bloqueo.",
        ),
        Reason.VIRUS: Advice(
            "El servidor de {domain} ha encontrado en el mensaje un virus o algo que lo parece.",
            "No lo vuelva a enviar antes de que se hayan revisado su ordenador y los adjuntos.",
        ),
        Reason.POLICY: Advice(
            "El servidor de {domain} ha rechazado el mensaje por sus propias normas.",
            "Su respuesta, más abajo, suele decir por cuál. Cambie el mensaje en consecuencia o pida a la "
            "persona que "
            "le autoricen.",
        ),
        Reason.NOT_A_MEMBER: Advice(
            "Solo algunos pueden escribir a esta dirección, y la de usted no está entre ellas.",
            "Si es una lista de correo, suscríbase antes, o escriba desde la dirección con la que se suscribió. "
            "Si no, "
            "pregunte a su responsable.",
        ),
        Reason.LOGIN: Advice(
            "Un servidor de correo del camino ha rechazado nuestro nombre y nuestra contraseña.",
            "Usted no ha cometido ningún error. Enseñe este aviso a sus administradores y vuelva a enviar el mensaje "
            "cuando lo hayan arreglado.",
        ),
        Reason.TLS: Advice(
            "No se ha podido establecer una conexión lo bastante segura con el servidor de {domain}, y por eso "
            "no se ha "
            "enviado nada.",
            "Enseñe este aviso a sus administradores o póngase en contacto con la persona por otro medio. No "
            "envíe nada "
            "confidencial sin protección.",
        ),
        Reason.UTF8: Advice(
            "El servidor de {domain} no sabe tratar direcciones o cabeceras con letras como ñ o 日.",
            "Pida a la persona una dirección con letras latinas sencillas, o escriba usted desde una así.",
        ),
        Reason.CONTENT: Advice(
            "El servidor de {domain} no sabe tratar la forma de este mensaje.",
            "Envíelo otra vez como texto sencillo o con adjuntos de un tipo corriente.",
        ),
        Reason.LOOP: Advice(
            "El mensaje ha estado dando vueltas entre servidores.",
            "Usted no ha cometido ningún error. Enseñe este aviso a los administradores de {domain} o a los suyos.",
        ),
        Reason.NO_ANSWER: Advice(
            "El servidor de correo de {domain} no responde.",
            "Busque errores después de la @. Si la dirección es correcta, inténtelo más tarde o póngase en "
            "contacto con "
            "la persona por otro medio.",
        ),
        Reason.NAMES: Advice(
            "No se ha podido averiguar la dirección del servidor de correo de {domain}.",
            "Busque errores después de la @. Si la dirección es correcta, inténtelo más tarde.",
        ),
        Reason.BUSY: Advice(
            "El servidor de correo de {domain} está demasiado ocupado, o sin espacio, para recibir el mensaje.",
            "Inténtelo más tarde o póngase en contacto con la persona por otro medio.",
        ),
        Reason.LATER: Advice(
            "El servidor de {domain} nos pidió que volviéramos más tarde.",
            "Inténtelo más tarde. Si vuelve a ocurrir, enseñe este aviso a sus administradores.",
        ),
        Reason.TOO_MANY: Advice(
            "El mensaje tiene más destinatarios de los que el servidor de {domain} admite a la vez.",
            "Envíelo a menos destinatarios cada vez.",
        ),
        Reason.SYSTEM: Advice(
            "El servidor de correo de {domain} tiene una avería.",
            "Inténtelo más tarde. Si continúa, avise a la persona por otro medio, para que ella lo diga a sus "
            "administradores.",
        ),
        Reason.EXPIRED: Advice(
            "El mensaje ha esperado demasiado al servidor de {domain}.",
            "Inténtelo más tarde o póngase en contacto con la persona por otro medio.",
        ),
        Reason.REMOVED: Advice(
            "Los administradores de este servidor han retirado el mensaje de la cola.",
            "Pregúnteles el motivo en la dirección que figura más abajo.",
        ),
        Reason.OTHER: Advice(
            "El servidor de {domain} no ha aceptado el mensaje.",
            "Su respuesta, más abajo, puede decir por qué. Si no le ayuda, enseñe este aviso a sus administradores.",
        ),
    },
    more="Y {count} más, que figuran en el informe adjunto.",
    returned_whole="Se adjunta su mensaje para que pueda enviarlo otra vez.",
    returned_header="Se adjunta la cabecera de su mensaje para que pueda reconocerlo.",
    help="¿Alguna pregunta? Escriba a {contact} e indique el número {ident}. Este aviso lo ha escrito un "
    "programa; nadie más "
    "lee las respuestas.",
    months=(
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ),
    date="{day} de {month} de {year}, {time} UTC",
    spans={
        "minutes": ("un minuto", "{count} minutos"),
        "hours": ("una hora", "{count} horas"),
        "days": ("un día", "{count} días"),
    },
)
