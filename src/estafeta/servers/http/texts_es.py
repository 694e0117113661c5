"""The pages in Spanish."""

from estafeta.servers.http.texts import Texts

SPANISH = Texts(
    address_label="Su dirección de correo",
    join="Suscribirse",
    leave="Darse de baja",
    join_and_leave="Recibirá un mensaje en esa dirección. Nada cambia hasta que haga lo que dice.",
    leave_only="Recibirá un mensaje en esa dirección. Seguirá en la lista hasta que haga lo que dice.",
    closed="Esta lista no admite suscripciones aquí.",
    responsible="Los responsables de la lista",
    asked_title="Mire su correo",
    asked="Hemos enviado un mensaje a {who}. Nada cambia hasta que haga lo que dice.",
    asked_more="Si no llega en unos minutos, mire entre el correo no deseado.",
    confirm_join_title="¿Suscribirse a {title}?",
    confirm_join="{who} recibirá el correo de la lista {list}.",
    confirm_leave_title="¿Darse de baja de {title}?",
    confirm_leave="{who} dejará de recibir el correo de la lista {list}.",
    joined_title="Se ha suscrito",
    joined="{who} es ahora miembro de la lista {list}.",
    left_title="Se ha dado de baja",
    left="{who} ya no recibe correo de la lista {list}.",
    already_left="Ya no recibe correo de la lista {list}.",
    mistake="¿Ha sido un error? Suscribirse de nuevo",
    no_address_title="Eso no es una dirección de correo",
    no_address="Vuelva atrás y escríbala así: nombre@example.org.",
    no_list="Aquí no existe esa lista",
    full="La lista está llena; los responsables pueden ayudarle: {owner}",
    old_link_title="Este enlace ya no sirve",
    old_link="Es demasiado antiguo, o no se ha copiado entero. Para darse de baja de una lista, escriba cualquier "
    "mensaje a su dirección con -unsubscribe delante de la @, o responda a uno de sus mensajes y pídalo.",
    errors={
        400: ("No se entiende la petición", "Vuelva atrás e inténtelo otra vez."),
        403: ("No está permitido", "Use una dirección que empiece por https://."),
        404: ("Aquí no hay nada", "Revise la dirección, o pregunte a quien se la dio."),
        405: ("Eso no se puede hacer aquí", "La dirección es correcta, pero no para lo que quería hacer su programa."),
        413: ("Es demasiado", "Esta página solo admite unos miles de caracteres."),
        429: ("Demasiadas peticiones", "Inténtelo otra vez dentro de una hora."),
        500: ("Algo ha fallado", "Ha sido culpa nuestra y ha quedado anotado. Inténtelo más tarde."),
        503: ("Ahora no puede ser", "El servidor no puede hacerlo en este momento. Inténtelo dentro de unos minutos."),
    },
)
