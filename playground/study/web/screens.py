"""A study's pages as HTML. Pure strings: whatever a model or a person wrote passes through `escape` here.

Nothing that tells a strength, a method or an axis apart may stand in them, not even in an attribute.
"""

import json
import re
from collections.abc import Sequence
from html import escape

from playground.study.parts import Question
from playground.study.plan import Plan
from playground.study.visit import Closed, Consent, End, Instructions, Page, Questions, Trial

WAITING = '<main class="study"><p class="soft">One moment…</p></main>'
"""What stands on the page until the server has said who is there."""

_VERDICTS = (("weak", "too weak"), ("right", "just right"), ("strong", "too strong"), ("broken", "makes no sense"))
_DEGREES = ((1, "a little"), (2, "clearly"), (3, "much"))
_CLOSED = {
    "paused": ("The study is paused", "Please come back later: open the same address, and you go on where you were."),
    "unknown": (
        "This address belongs to nobody",
        "Your answers were withdrawn, or the address is incomplete. To take part, open the address you were given.",
    ),
    "elsewhere": (
        "This study was begun elsewhere",
        "Somebody with this id began in another browser, or by another link. Please go on there: only that one can.",
    ),
    "gone": (
        "You have withdrawn from this study",
        "What was stored about you has been deleted, and the study cannot be begun anew. You can close this page.",
    ),
    "nameless": (
        "The address is incomplete",
        "Please open the study by the link of the service that invited you: only so does it learn that you took part.",
    ),
}
_ENDINGS = {
    "screened": (
        "This study is for others",
        "By what you answered, this study is not for you. Thank you for your interest; you can close this page.",
    ),
    "full": ("Enough people take part already", "Nothing about you was stored. You can close this page."),
    "declined": ("You did not take part", "Nothing about you was stored. You can close this page."),
    "withdrawn": ("You have withdrawn", "Everything you answered has been deleted. You can close this page."),
}


def page(shown: Page, plan: Plan) -> str:
    """A whole page: its heading, its screen, and the foot with the way out."""
    data = {"code": shown.code, "key": shown.key, "token": getattr(shown.screen, "token", "")}
    person = {"name": shown.name, "own": shown.own, "address": shown.address}
    notice = f'<p class="notice" role="alert">{escape(shown.notice)}</p>' if shown.notice else ""
    return (
        f'<main class="study" data-page="{escape(json.dumps(data))}" data-person="{escape(json.dumps(person))}">'
        f"{_head(shown, plan)}{notice}"
        f'{_screen(shown, plan)}<p class="saving" role="status" aria-live="polite"></p>{_foot(shown, plan)}</main>'
    )


def prose(text: str) -> str:
    """Paragraphs, lists of lines that begin with "- ", and **bold**; everything else stands as it is."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text.strip())]
    return "".join(_list(block) if block.startswith("- ") else f"<p>{_inline(block)}</p>" for block in blocks if block)


def _list(block: str) -> str:
    items = re.split(r"\n\s*- ", f"\n{block}")[1:]
    return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"


def _inline(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(" ".join(text.split())))


def _head(shown: Page, plan: Plan) -> str:
    title = f'<h1 tabindex="-1">{escape(plan.title)}</h1>'
    if not isinstance(shown.screen, Trial):
        return f"<header>{title}</header>"
    trial = shown.screen
    place = f"{'Practice ' if trial.practice else ''}{trial.done + 1} of {trial.total}"
    share = 0 if trial.practice else trial.done / trial.total
    return (
        f'<header>{title}<p class="place">{place}</p></header>'
        f'<div class="progress" aria-hidden="true"><i style="width:{share:.1%}"></i></div>'
    )


def _screen(shown: Page, plan: Plan) -> str:
    match shown.screen:
        case Consent(text):
            buttons = _button("consent", "I agree, begin", "primary") + _button("decline", "I do not agree")
            return f'<section class="prose">{prose(text)}</section><div class="actions">{buttons}</div>'
        case Instructions(text):
            return (
                f'<section class="prose">{prose(text)}</section>'
                f'<div class="actions">{_button("begin", "Begin", "primary")}</div>'
            )
        case Trial() as trial:
            return _trial(trial, plan)
        case Questions(questions, values):
            fields = "".join(_question(question, values.get(question.id, "")) for question in questions)
            return (
                f'<form class="questions" novalidate>{fields}</form>'
                f'<div class="actions">{_button("questions", "Finish", "primary")}</div>'
            )
        case End() as end:
            return _end(end)
        case Closed(reason):
            heading, text = _CLOSED[reason]
            return f'<section class="prose end"><h2>{heading}</h2><p>{text}</p></section>'


def _end(end: End) -> str:
    if end.outcome in _ENDINGS:
        heading, text = _ENDINGS[end.outcome]
        body = f"<h2>{heading}</h2><p>{text}</p>"
    else:
        leave = "" if end.code else '<p class="soft">You can close this page.</p>'
        body = f"<h2>That was it</h2>{prose(end.text)}{leave}"
    if end.code:
        body += f'<p class="soft">Your completion code</p><p class="code">{escape(end.code)}</p>'
    if end.link:
        label = "Hand in the code" if end.code else "Go back"
        body += f'<a class="primary" href="{escape(end.link)}" rel="noreferrer">{label}</a>'
    return f'<section class="prose end">{body}</section>'


def _trial(trial: Trial, plan: Plan) -> str:
    begins = plan.practises and not trial.practice and not trial.done
    told = '<p class="notice">Practice is over. From here on your answers count.</p>' if begins else ""
    asked = f'<p class="asked"><span>Somebody wrote:</span> {escape(trial.prompt)}</p>' if trial.prompt else ""
    kinds = {"pair": _pair, "adjustment": _adjustment, "single": _single, "adaptive": _single}
    return (
        f'<section class="trial {trial.kind}">{told}<h2>{escape(trial.question)}</h2>{asked}'
        f"{kinds[trial.kind](trial)}</section>"
    )


def _pair(trial: Trial) -> str:
    texts = [_attention(trial.choose)] * 2 if trial.choose else [escape(reply) for reply in trial.replies]
    panes = "".join(
        f'<article class="reply" data-side="{side}"><h3>Reply {number}</h3><p>{text}</p></article>'
        for number, side, text in zip((1, 2), ("left", "right"), texts, strict=True)
    )
    send = "" if trial.degree else ' data-send=""'
    choices = "".join(
        f'<button type="button" data-choice="{choice}"{sends}{shortcut}>{label}</button>'
        for choice, label, sends, shortcut in (
            ("left", "Reply 1", send, _key("1")),
            ("right", "Reply 2", send, _key("2")),
            ("tie", "equally good", ' data-send="" data-degree="0"', _key("0")),
            ("bad", "both bad", ' data-send=""', _key("3")),
        )
    )
    degrees = "".join(
        f'<button type="button" data-size="{size}" data-send=""{_key(str(size))}>{label}</button>'
        for size, label in _DEGREES
    )
    more = f'<div class="degree" hidden><span>How much better?</span>{degrees}</div>' if trial.degree else ""
    return f'<div class="replies">{panes}</div><div class="bar"><div class="choices">{choices}</div>{more}</div>'


def _attention(side: str) -> str:
    reply = {"left": "Reply 1", "right": "Reply 2"}[side]
    return f"This page checks whether replies are read. Please choose <b>{reply}</b> here, with any degree."


def _adjustment(trial: Trial) -> str:
    texts = "".join(
        f"<p{'' if place == trial.start else ' hidden'}>{escape(reply)}</p>"
        for place, reply in enumerate(trial.replies)
    )
    return (
        f'<article class="reply sliding" aria-live="polite">{texts}</article><div class="bar">'
        f'<input type="range" min="0" max="{len(trial.replies) - 1}" step="1" value="{trial.start}" '
        f'aria-label="Which reply" autocomplete="off">'
        f'<div class="actions"><button type="button" class="primary" data-choice="liked" data-send="" disabled>'
        f"I like this one best</button></div></div>"
    )


def _single(trial: Trial) -> str:
    buttons = "".join(
        f'<button type="button" data-choice="{choice}" data-send=""{_key(str(number))}>{label}</button>'
        for number, (choice, label) in enumerate(_VERDICTS, start=1)
    )
    return (
        f'<article class="reply"><p>{escape(trial.replies[0])}</p></article>'
        f'<div class="bar"><div class="choices verdicts">{buttons}</div></div>'
    )


def _question(question: Question, value: str) -> str:
    name = escape(question.id)
    label = escape(question.text) + (' <span class="soft">(needed)</span>' if question.required else "")
    match question.kind:
        case "choice":
            return _group(label, _radios(name, [(option, option) for option in question.options], value), "choice")
        case "scale":
            low, high = (escape(end) for end in question.options)
            steps = _radios(name, [(str(step), str(step)) for step in range(1, question.steps + 1)], value)
            ends = f'<div class="ends"><span>{low}</span><span>{high}</span></div>'
            return _group(label, f'<div class="scale">{steps}</div>{ends}')
        case "number":
            box = f'<input name="{name}" inputmode="decimal" autocomplete="off" value="{escape(value)}">'
        case "text":
            box = f'<textarea name="{name}" rows="3" maxlength="4000">{escape(value)}</textarea>'
    return f'<label class="field">{label}{box}</label>'


def _group(label: str, inside: str, kind: str = "") -> str:
    return f'<fieldset class="field {kind}"><legend>{label}</legend>{inside}</fieldset>'


def _radios(name: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    return "".join(
        f'<label><input type="radio" name="{name}" value="{escape(value)}"{" checked" if value == chosen else ""}>'
        f"<span>{escape(text)}</span></label>"
        for value, text in options
    )


def _foot(shown: Page, plan: Plan) -> str:
    contact = f"<span>{escape(plan.contact)}</span>" if plan.contact else ""
    if not shown.code or isinstance(shown.screen, Closed):
        return f"<footer>{contact}</footer>"
    way_out = (
        "<details><summary>Withdraw</summary><p>This deletes everything you have answered, for good.</p>"
        f"{_button('withdraw', 'Delete my answers and leave', 'danger')}</details>"
    )
    return f"<footer>{contact}{way_out}</footer>"


def _button(action: str, label: str, look: str = "") -> str:
    kind = f' class="{look}"' if look else ""
    return f'<button type="button"{kind} data-action="{action}">{label}</button>'


def _key(key: str) -> str:
    return f' data-shortcut="{key}" aria-keyshortcuts="{key}"'
