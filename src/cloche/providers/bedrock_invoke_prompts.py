"""Conversations as one text, for models on Bedrock that take nothing else: each family's own template.

Sources: https://www.llama.com/docs/model-cards-and-prompt-formats/ for Llama,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html for Mistral,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html for Titan.
Must not know fields or answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cloche.domain.chat import ChatRequest, Message
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.cohere_request import text_within
from cloche.providers.message_fields import note_unheard


class Talk(NamedTuple):
    """A conversation of texts.  `turns`: (whether the user speaks, what is said), the user first and last or not."""

    system: str
    turns: list[tuple[bool, str]]


class Template(NamedTuple):
    """How a family writes a conversation.  `marks`: what would be taken for a part of the template inside a text."""

    write: Callable[[Talk], str]
    marks: tuple[str, ...] = ()


def prompt(request: ChatRequest, template: Template, report: Report, instruction: str = "") -> str:
    """The conversation in a template; `instruction` goes to the end of the system's words.

    Marks of the template inside a text are broken by a space: whoever writes a text must not be able to open a turn
    of somebody else.  BadRequest for content that is no text.
    """
    system, turns = [], list[tuple[bool, str]]()
    report.note("emulated", "messages", "this family of models takes one text")
    if any(message.name is not None for message in request.params.messages):
        report.note("dropped", "messages.name")
    note_unheard(request.fields["messages"], report)
    for index, message in enumerate(request.params.messages):
        text = _unmarked(_text(message, f"messages[{index}]", report), template.marks, report)
        if message.role in ("system", "developer"):
            system.append(text)
        else:
            _add(turns, message.role != "assistant", text)
    return template.write(Talk("\n\n".join([*system, *([instruction] if instruction else ())]), turns))


def _add(turns: list[tuple[bool, str]], user: bool, text: str) -> None:
    """One more message; those of one speaker are one turn."""
    if turns and turns[-1][0] == user:
        turns[-1] = (user, f"{turns[-1][1]}\n\n{text}")
    else:
        turns.append((user, text))


def _text(message: Message, path: str, report: Report) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    said = []
    for position, part in enumerate(message.content):
        if part.type in ("text", "refusal"):
            said.append(part.text or part.refusal or "")
        elif part.type == "reasoning":
            report.note("dropped", "messages.reasoning", "this family of models does not reason")
        else:
            text = text_within(part)
            if text is None:
                raise BadRequest(f"{path}.content[{position}].type: this model takes text only, not '{part.type}'")
            report.note("emulated", f"messages.{part.type}")
            said.append(text)
    return "".join(said)


def _unmarked(text: str, marks: tuple[str, ...], report: Report) -> str:
    for mark in marks:
        if mark in text:
            report.note("clamped", "messages", "marks of the model's template were broken")
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
    return text


# ---------------------------------------------------------------- templates


def _llama(opening: str, closing: str, end: str) -> Callable[[Talk], str]:
    """Llama from 3 on: a head with the speaker's role before each turn, and a mark after it."""

    def write(talk: Talk) -> str:
        turns = [("system", talk.system)] if talk.system else []
        turns += [("user" if user else "assistant", text) for user, text in talk.turns]
        said = "".join(f"{opening}{role}{closing}\n\n{text}{end}" for role, text in turns)
        return f"<|begin_of_text|>{said}{opening}assistant{closing}\n\n"

    return write


def _instructions(talk: Talk, system: str, between: str) -> str:
    """Llama 2 and Mistral: the user's turns in brackets; the system's words open the first of them."""
    written = ""
    turns = talk.turns if talk.turns and talk.turns[0][0] else [(True, ""), *talk.turns]
    for place, (user, text) in enumerate(turns):
        if user:
            written += f"{between if place else '<s>'}[INST] {'' if place else system}{text} [/INST]"
        else:
            written += f" {text} </s>" if between == "<s>" else f" {text}</s>"
    return written


def _llama2(talk: Talk) -> str:
    system = f"<<SYS>>\n{talk.system}\n<</SYS>>\n\n" if talk.system else ""
    return _instructions(talk, system, "<s>")


def _mistral(talk: Talk) -> str:
    return _instructions(talk, f"{talk.system}\n\n" if talk.system else "", "")


def _dialogue(bot: str) -> Callable[[Talk], str]:
    """A dialogue with names before the turns."""

    def write(talk: Talk) -> str:
        turns = [f"{'User' if user else bot}: {text}" for user, text in talk.turns]
        return "\n".join([*([talk.system, ""] if talk.system else ()), *turns, f"{bot}:"])

    return write


def _plain(talk: Talk) -> str:
    """For models that were made to follow one instruction: a lone one as it is."""
    if len(talk.turns) == 1:
        return "\n\n".join(text for text in (talk.system, talk.turns[0][1]) if text)
    return _dialogue("Assistant")(talk)


LLAMA2 = Template(_llama2, ("<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"))
LLAMA3 = Template(_llama("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), ("<|",))
LLAMA4 = Template(_llama("<|header_start|>", "<|header_end|>", "<|eot|>"), ("<|",))
MISTRAL = Template(_mistral, ("<s>", "</s>", "[INST]", "[/INST]"))
TITAN = Template(_dialogue("Bot"))
PLAIN = Template(_plain)
