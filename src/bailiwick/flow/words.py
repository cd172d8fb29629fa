"""Words that ask for effects, in English, German, French and Spanish, as the clause splitter and `intent` need them.

Each list holds imperatives and infinitives in lower case, as they stand in requests; inflection that can be built by
rule (English gerunds and participles) is not listed. A word that is a verb and a noun ("order", "book", "transfer")
is a verb only where `bailiwick.flow.intent` finds it in a verb's place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from bailiwick.model.tool import Effect

__all__ = [
    "ASKING",
    "CUES",
    "KNOWN",
    "LOOKING",
    "NAMED",
    "NOUN_ASKS",
    "PAST",
    "is_verb",
    "plain_word",
    "stem",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CREATE = """
    create add make write save store note record log set update change edit modify rename move copy put insert append
    replace fix correct adjust reschedule postpone shift extend raise lower increase decrease schedule book reserve
    plan enter register file upload import open reopen close resolve assign reassign label tag mark flag star pin
    archive merge comment draft compose prepare complete finish fill submit approve request renew rent confirm accept
    decline reject rate
    order buy subscribe enable disable activate deactivate turn switch lock unlock block unblock configure restore
    convert link attach upgrade downgrade promote demote enrol enroll track snooze mute remind return
    invite remove assemble prefill grant allow transition escalate prioritise prioritize refill prescribe admit hire
    onboard bump jot pencil arrange organise
    organize pause resume sort group split clone duplicate give
    repeat redo transfer sync refresh sign vote hold release dispute claim apply unpin charge bill issue generate check
    discharge transcribe print ship dispatch
    erstelle erstell erstellen anlegen lege leg schreibe schreib schreiben notiere notieren speichere speichern ändere
    ändern bearbeite bearbeiten aktualisiere aktualisieren benenne umbenennen verschiebe verschieben verlege verlegen
    kopiere kopieren füge fügen hinzufügen eintragen trage trag ergänze ergänzen setze setzen plane planen buche buch
    buchen reserviere reservieren bestelle bestellen markiere markieren archiviere archivieren schließe schließen öffne
    öffnen weise zuweisen bestätige bestätigen akzeptiere akzeptieren erhöhe erhöhen senke senken passe anpassen
    korrigiere korrigieren hinterlege hinterlegen vereinbare vereinbaren
    crée créer crées ajoute ajouter ajoutez écris écrire écrivez note noter enregistre enregistrer modifie modifier
    modifiez change changer mets mettre mettez renomme renommer déplace déplacer déplacez copie copier planifie
    planifier
    réserve réserver réservez commande commander commandez marque marquer archive archiver ferme fermer ouvre ouvrir
    assigne assigner confirme confirmer accepte accepter reporte reporter actualise actualiser corrige corriger
    crea crear cree añade añadir agrega agregar escribe escribir anota anotar guarda guardar modifica modificar cambia
    cambiar actualiza actualizar renombra renombrar mueve mover copia copiar pon poner programa programar reserva
    reservar compra comprar pide pedir marca marcar archiva archivar cierra cerrar abre abrir asigna asignar confirma
    confirmar acepta aceptar aplaza aplazar corrige corregir
"""
_DELETE = """
    delete cancel remove erase drop discard purge wipe clear trash bin destroy revoke unsubscribe terminate deregister
    uninstall uninvite unshare void withdraw undo clean scrap stop unassign detach delist take call get kick ban throw
    dump ditch expel disconnect
    lösche lösch löschen entferne entfernen storniere stornieren kündige kündigen widerrufe widerrufen verwirf verwerfen
    absagen absage leere leeren beende beenden
    supprime supprimer supprimez efface effacer effacez annule annuler annulez enlève enlever retire retirer résilie
    résilier révoque révoquer vide vider
    borra borrar borre elimina eliminar elimine cancela cancelar cancele anula anular quita quitar suprime suprimir
    revoca revocar vacía vaciar
"""
_SEND = """
    send share forward reply respond answer post publish mail email e-mail message text notify inform tell invite write
    submit ping dm tweet announce circulate distribute deliver cc contact ask remind thank let give add
    broadcast pass resend transmit request congratulate alert escalate grant warn drop relay loop
    sende senden send schicke schick schicken verschicke verschicken versende versenden teile teilen weiterleiten leite
    leit antworte antworten beantworte beantworten poste posten veröffentliche veröffentlichen maile mailen informiere
    informieren benachrichtige benachrichtigen lade lad einladen schreibe schreib schreiben gib frage frag erinnere
    erinnern sag sage sagen gib zusenden zuschicken zukommen
    envoie envoyer envoyez transfère transférer transférez partage partager partagez réponds répondre répondez publie
    publier
    publiez poste poster invite inviter invitez informe informer informez préviens prévenir prévenez écris écrire
    écrivez
    dis demande demander rappelle
    envía enviar envíe envíale envíales manda mandar mande mándale comparte compartir comparta reenvía reenviar reenvíe
    responde responder responda publica publicar publique invita invitar invite informa informar avisa avisar escribe
    escribir escríbele dile contesta contestar pregunta
"""
_PAY = """
    pay transfer refund send wire remit reimburse settle buy purchase donate tip top deposit repay order withdraw move
    book reserve
    rent renew subscribe upgrade schedule return give cover contribute repeat redo charge
    buchen buche buch reservieren reserviere bestellen bestelle reserva reservar reserver pide pedir commande commander
    bezahle bezahl bezahlen zahle zahl zahlen überweise überweis überweisen erstatte erstatten begleiche begleichen
    kaufe kauf kaufen spende spenden rückerstatten
    paie paye payer payez verse verser versez vire virer rembourse rembourser remboursez règle régler réglez achète
    acheter transfère transférer
    paga pagar pague transfiere transferir transfiera reembolsa reembolsar reembolse abona abonar devuelve devolver
    liquida liquidar compra comprar dona donar
"""
_EXECUTE = """
    run execute start launch restart reboot deploy redeploy rollback roll trigger install build compile test stop kill
    apply migrate scale rerun invoke perform backup back query provision lint reload retry bounce spin fire kick fail
    starte start starten führe ausführen führ neustarten installiere installieren baue bauen teste testen stoppe stoppen
    lance lancer lancez exécute exécuter exécutez démarre démarrer redémarre redémarrer installe installer déploie
    déployer arrête arrêter
    ejecuta ejecutar ejecute lanza lanzar corre correr inicia iniciar reinicia reiniciar instala instalar despliega
    desplegar detén detener
"""
_FETCH = """
    fetch open visit go browse download load look read check see get access crawl scrape pull summarise summarize
    navigate view find retrieve follow search
    öffne öffnen besuche besuchen lade laden herunterladen rufe abrufen lies lesen hole holen schau sieh prüfe prüfen
    suche suchen fasse zusammenfassen
    ouvre ouvrir ouvrez visite visiter va aller télécharge télécharger lis lire lisez consulte consulter regarde
    regarder résume résumer récupère récupérer vérifie vérifier cherche chercher
    abre abrir visita visitar ve ir descarga descargar lee leer consulta consultar mira mirar resume resumir
    busca buscar revisa revisar comprueba comprobar
"""
_DELEGATE = """
    delegate hand ask tell let have get assign involve instruct pass forward use call engage
    delegiere delegieren beauftrage beauftragen übergib übergeben frage frag lass
    délègue déléguer confie confier demande demander charge charger
    delega delegar encarga encargar pide pedir pregunta preguntar
"""

ASKING: Mapping[Effect, frozenset[str]] = {
    Effect.WRITE: _words(_CREATE),
    Effect.DRAFT: _words(_CREATE),
    Effect.DELETE: _words(_DELETE),
    Effect.SEND: _words(_SEND),
    Effect.PAY: _words(_PAY),
    Effect.EXECUTE: _words(_EXECUTE),
    Effect.FETCH: _words(_FETCH),
    Effect.DELEGATE: _words(_DELEGATE),
}
"""What asks for each effect. Reading needs no asking."""

LOOKING = _words(
    """
    read check find look search list show see get review summarise summarize compare explain describe count tell verify
    analyse analyze calculate compute translate suggest recommend identify determine figure work give think keep know
    wait leave use make take pick choose do
    lies lesen prüfe prüfen finde finden such suche suchen zeige zeig zeigen liste nenne sag sage vergleiche vergleichen
    fasse erkläre erklären berechne berechnen nimm mach mache schau sieh gib
    lis lire vérifie vérifier trouve trouver trouvez cherche chercher montre montrer compare comparer résume résumer
    regarde dis explique calcule prends fais
    lee leer comprueba comprobar encuentra encontrar busca buscar muestra mostrar compara comparar resume resumir mira
    di explica calcula toma haz verifica revisa dime
    """
)
"""Verbs that ask for no effect: they begin a clause all the same."""


PAST: Mapping[str, str] = dict(
    pair.split(":")
    for pair in (
        "sent:send paid:pay made:make written:write told:tell given:give kept:keep put:put set:set bought:buy "
        "shut:shut run:run rerun:rerun built:build undone:undo drawn:draw taken:take done:do read:read "
        "withdrawn:withdraw forwarded:forward cancelled:cancel canceled:cancel cancelling:cancel submitted:submit"
    ).split()
)
"""Participles that no rule builds."""

NOUN_ASKS: Mapping[str, str] = dict(
    pair.split(":")
    for pair in (
        "refund:refund payment:pay transfer:pay cancellation:cancel booking:book reservation:reserve reply:reply "
        "response:reply answer:reply invitation:invite invite:invite deletion:delete reminder:remind purchase:buy "
        "donation:donate order:order uberweisung:pay zahlung:pay "
        "erstattung:refund stornierung:cancel kundigung:cancel buchung:book reservierung:reserve remboursement:refund "
        "virement:pay paiement:pay annulation:cancel transferencia:pay pago:pay reembolso:refund cancelacion:cancel "
        "deployment:deploy restart:restart rollback:rollback backup:backup"
    ).split()
)
"""What is meant by "make a payment", "I need a refund"."""

_CASH = (
    r"[€$£¥]|\b(?:eur|euros?|usd|gbp|chf|dollars?|pounds?|bucks|money|payment|rent|salary|deposit|funds?|geld|betrag|"
    r"miete|argent|montant|loyer|dinero|importe|alquiler)\b"
)
_MONEY = (
    r"[€$£¥]|\b(?:eur|euros?|usd|gbp|chf|dollars?|pounds?|bucks|money|amount|payment|rent|salary|deposit|balance|funds?|"
    r"bill|invoice|fee|dues|iban|account|geld|betrag|miete|rechnung|konto|argent|montant|loyer|facture|compte|dinero|"
    r"importe|alquiler|factura|cuenta|tip|price|cost|half|share)\b"
)
_LETTER = (
    r"\b(?:e-?mails?|mail|message|note|letter|text|dm|reply|answer|response|line|slack|post|comment|chat|invite|"
    r"invitation|thread|channel|nachricht|antwort|brief|message|courriel|lettre|reponse|correo|mensaje|carta|respuesta)"
    r"\b|^\W*(?:\w+ ){0,3}(?:write|schreibe?|escribe|ecris) (?:to|back|him|her|them|an|ihm|ihr|ihnen|a)\b"
    r"|^\W*(?:\w+ ){0,2}(?:schreibe?|ecris|escribe)(?: \w+){1,2}\W*$"
)

CUES: Mapping[tuple[Effect, str], str] = {
    **{
        (Effect.PAY, word): _CASH
        for word in (
            "send transfer move give return withdraw contribute transfere transferer vire virer devuelve devolver add"
        ).split()
    },
    **{(Effect.PAY, word): _MONEY for word in "top tip settle cover schedule deposit wire regle regler".split()},
    **{
        (Effect.SEND, word): _LETTER
        for word in "write submit schreibe schreib schreiben ecris ecrire ecrivez escribe escribir drop return".split()
    },
    (Effect.SEND, "let"): r"\bknow\b",
    (Effect.SEND, "pass"): r"\b(?:on|along)\b",
    (Effect.SEND, "add"): r"\bto\b",
    (Effect.SEND, "request"): r"\bfrom\b",
    (Effect.WRITE, "give"): r"\b(?:access|permissions?|rights?|roles?|name|title|label|raise|discount|priority)\b",
    (Effect.SEND, "give"): r"\b(?:access|permissions?|rights?|copy|message|update|answer|reply|heads-up|notice)\b",
    (Effect.WRITE, "check"): r"\b(?:in|out|off)\b(?! (?:on|for)\b)",
    (Effect.SEND, "sag"): r"\bbescheid\b|\bdass\b",
    (Effect.SEND, "sage"): r"\bbescheid\b|\bdass\b",
    (Effect.SEND, "gib"): r"\bbescheid\b",
    (Effect.SEND, "loop"): r"\bin\b",
    (Effect.DELETE, "get"): r"\brid\b",
    (Effect.DELETE, "kick"): r"\b(?:out|from|off)\b",
    (Effect.DELETE, "throw"): r"\b(?:out|away)\b",
    (Effect.EXECUTE, "kick"): r"\boff\b",
    (Effect.EXECUTE, "spin"): r"\bup\b",
    (Effect.EXECUTE, "fail"): r"\bover\b",
    (Effect.EXECUTE, "back"): r"\bup\b",
    (Effect.DELETE, "take"): r"\b(?:down|off|out)\b",
    (Effect.DELETE, "call"): r"\boff\b",
    (Effect.DELETE, "drop"): r"^(?!.*\b(?:line|note|message)\b)",
    (Effect.FETCH, "go"): r"\bto\b",
    (Effect.DELEGATE, "use"): r"agent",
    (Effect.DELEGATE, "pass"): r"\bto\b",
}
"""Words that ask for an effect only in a clause that holds such a pattern (without accents, in lower case, quoted
spans and names hidden)."""


def _named(*groups: str) -> Mapping[str, frozenset[str]]:
    return {
        word: frozenset(group.replace("|", " ").split()) for group in groups for word in group.split("|")[0].split()
    }


NAMED: Mapping[str, frozenset[str]] = _named(
    "archive | archiviere archivieren archive archiver archiva archivar file move clean clear",
    "close resolve | close resolve complete finish schliesse schliessen ferme fermer cierra cerrar mark set",
    "reopen | reopen open",
    "approve accept | approve accept confirm sign merge bestatige bestatigen akzeptiere akzeptieren accepte accepter "
    "confirme confirmer acepta aceptar confirma confirmar grant let",
    "reject decline deny | reject decline deny refuse turn",
    "disable deactivate suspend block lock | disable deactivate suspend block lock turn stop",
    "enable activate unblock unlock | enable activate unblock unlock turn switch allow",
    "assign reassign | assign reassign unassign give weise zuweisen assigne assigner asigna asignar hand set "
    "make put route",
    "merge | merge combine join",
    "rename | rename change call umbenennen benenne renomme renommer renombra renombrar give",
    "reply respond | reply respond answer write send tell thank let confirm accept decline ask antworte antworten "
    "beantworte beantworten schreibe schreib schreiben reponds repondre repondez ecris ecrire responde responder "
    "responda contesta contestar escribe inform notify email mail message draft",
    "forward | forward send share pass resend weiterleiten leite leit schicke schick schicken sende senden transfere "
    "transferer envoie envoyer reenvia reenviar reenvie envia enviar copy cc email mail",
    "share | share give grant invite add send teile teilen partage partager partagez comparte compartir comparta",
    "unshare | unshare revoke stop remove",
    "invite | invite add ask einladen lade lad invitez inviter invita invitar include schedule create set",
    "refund | refund reimburse repay erstatte erstatten ruckerstatten rembourse rembourser reembolsa reembolsar "
    "devuelve devolver",
    "reschedule postpone | reschedule postpone move shift change push delay update verschiebe verschieben verlege "
    "verlegen deplace deplacer reporte reporter aplaza aplazar mueve mover set",
    "cancel | cancel delete remove call drop storniere stornieren absagen absage sag sage kundige kundigen annule "
    "annuler annulez cancela cancelar cancele anula anular take clear stop terminate undo void",
    "restart reboot | restart reboot bounce starte neustarten redemarre redemarrer reinicia reiniciar rerun",
    "deploy redeploy | deploy redeploy release ship roll rollout push promote deploie deployer despliega desplegar",
)
"""What a tool with this word in its name does: words that ask for it, in place of all those of its effect."""


def plain_word(text: str) -> str:
    """In lower case and without accents."""
    if text.isascii():
        return text.lower()
    split = unicodedata.normalize("NFD", text.lower().replace("ß", "ss"))
    return "".join(char for char in split if not unicodedata.combining(char))


KNOWN = frozenset(plain_word(word) for words in (*ASKING.values(), LOOKING) for word in words)
"""All verbs, without accents."""
_ENCLITIC = re.compile(r"(?:(?:se|te|me|nos)?(?:lo|la|los|las)|le|les|me|nos)$")


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """The basic form of a verb as it is listed; of any other word itself. Participles and gerunds are verbs too."""
    word = plain_word(word)
    if word in KNOWN:
        return word
    if "-" in word:
        head, *_, tail = word.split("-")
        if head in KNOWN or tail in KNOWN:
            return head if head in KNOWN else tail
    shorter = _ENCLITIC.sub("", word)
    if shorter != word and shorter in KNOWN:
        return shorter
    return _uninflected(word)


def _uninflected(word: str) -> str:
    if word in PAST:
        return PAST[word]
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            root = word[: -len(ending)]
            undoubled = root[:-1] if len(root) > 2 and root[-1] == root[-2] else root
            for form in (root, root + "e", undoubled, root[:-1] + "y" if root.endswith("i") else root):
                if form in KNOWN:
                    return form
    return word


def is_verb(word: str) -> bool:
    """Whether a word may begin a request: a listed form, also with pronouns glued to it ("págala", "envoie-le")."""
    plain = plain_word(word)
    parts = plain.split("-")
    return not KNOWN.isdisjoint((plain, parts[0], parts[-1])) or _ENCLITIC.sub("", plain) in KNOWN
