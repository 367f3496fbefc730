"""Words by which somebody other than the application gives the model instructions: a list of shapes, English and
Japanese.

Each shape is bounded, so that the time grows with the text's length and no faster.  It finds the usual words and no
others: a look that costs little, and no proof.  Must not know who said a text.

Measured: 45 µs for each kilobyte of English prose, 100 of Japanese, 0.5 ms where it has such words all along.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

_INVISIBLE = "\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_IS_INVISIBLE = re.compile(f"[{_INVISIBLE}\u202a-\u202e\u2066-\u2069]")
_HIDING = re.compile(
    "[\u202d\u202e]"  # what is read is not what is written
    "|[\u200b-\u200d\u2060-\u2064\ufeff]{4}"  # emoji and scripts use one at a time
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4}"  # so do variants of characters
    "|[\U000e0020-\U000e007f]{2}"  # letters that nobody sees
)
_FLAGS = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f")  # England, Scotland, Wales

_GAP = r"[^.!?\n。！？]{0,40}?"
_NEAR = r"[^.!?\n。！？]{0,16}?"
_EARLIER = r"(?:previous|prior|above|earlier|preceding|foregoing|existing|original|initial|system|your|all|any|these)"
_RULES = r"(?:instructions?|prompts?|rules|guidelines|directives?|commands?|constraints|restrictions|programming)"
_OWN = r"(?:system prompt|system message|developer message|(?:initial|hidden|secret|original) (?:prompt|instructions))"
_KEYS = (
    r"(?:api[ _-]?keys?|passwords?|credentials|secrets|access tokens?|conversation|chat history|environment variables)"
)
_TELL = r"(?:reveal|print|show|repeat|output|leak|display|disclose|tell me|give me|what is|what are)"
_SEND = r"(?:send|post|upload|forward|exfiltrate|e-?mail|transmit)"
_OBEY = r"(?:execute|follow|obey|run|perform|comply)"
_SAID = r"(?:これまで|今まで|以前|上記|前述|前|先ほど|すべて|全て|全部|元|与えられた|あなた|最初|システム)"
_ORDERS = r"(?:指示|命令|ルール|規則|プロンプト|制約|制限|設定|ガイドライン)"
_OWN_JA = r"(?:システムプロンプト|システムメッセージ|(?:初期|内部|隠された|元)の?(?:プロンプト|指示))"

_NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "instruction_override": (
            *("ignore", "disregard", "forget", "override", "bypass", "discard", "do not follow", "do not obey"),
            *("new instructions", "new system prompt", "new directive"),
            *("無視", "忘れ", "破棄", "取り消", "上書き", "従わ"),
        ),
        "role_play": (
            *("do anything now", "are dan", "now dan", "as dan", " mode", "unrestricted", "unfiltered", "uncensored"),
            *("amoral", "jailbroken", "restrictions", "filters", "guidelines", "limitations"),
            *("<|", "<<sys>>", "inst]", "system", "developer", "制限", "制約", "規制", "検閲", "フィルタ"),
            *("何でもできる", "なんでもできる", "モード"),
        ),
        "exfiltration": (
            *("prompt", "instructions", "system message", "developer message", "above", "http", "@"),
            *("プロンプト", "指示", "システムメッセージ", "送信", "に送"),
        ),
        "encoded_payload": (
            *("decode", "decrypt", "deobfuscate", "base64", "rot13", "hex", "morse", "16進数", "モールス"),
        ),
    }
)
"""Of these each shape has one: most texts have none, which takes a fraction of the time to see."""

_SHAPES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        name: re.compile("|".join(shapes))
        for name, shapes in (
            (
                "instruction_override",
                (
                    rf"\b(?:ignore|disregard|forget|override|bypass|discard)\b{_NEAR}\b{_EARLIER}\b{_GAP}\b{_RULES}\b",
                    r"\b(?:ignore|disregard|forget) (?:everything|all|anything) (?:above|before|you were told)",
                    rf"\bdo not (?:follow|obey)\b{_NEAR}\b(?:previous|prior|above|system|your)\b{_GAP}{_RULES}\b",
                    r"\b(?:your )?new (?:instructions|system prompt|directive) ?(?:are|is|:|follow)",
                    rf"{_SAID}の?{_NEAR}{_ORDERS}(?:を|は|など){_NEAR}(?:無視|忘れ|破棄|取り消|上書き|従わ)",
                    rf"{_ORDERS}(?:を|は)(?:すべて|全て|全部|一切)?(?:無視して|忘れて|破棄して)",
                ),
            ),
            (
                "role_play",
                (
                    r"\bdo anything now\b|\byou are (?:now )?dan\b|\bact as dan\b|\bjailbreak mode\b",
                    r"\b(?:enter|enable|activate|switch to|in) (?:developer|debug|god|admin|sudo) mode\b",
                    r"\bdeveloper mode (?:enabled|on|activated)\b",
                    rf"\b(?:you are|act as|pretend|behave|respond|roleplay)\b{_GAP}"
                    r"\b(?:unrestricted|unfiltered|uncensored|amoral|jailbroken) (?:ai|assistant|model|chatbot|bot)\b",
                    rf"\b(?:you|ai|assistant|model)\b{_GAP}\b(?:has|have|with|without|free of) (?:no |any )?"
                    r"(?:ethical |moral |content )?(?:restrictions|filters|guidelines|limitations)\b",
                    r"<\|(?:im_start|system|start_header_id)\|>|<<sys>>|\[/?inst\]|</?system(?:_prompt)?>",
                    r"(?:^|\n)[#* \[]{0,6}(?:system|developer)(?: (?:message|prompt|override))?[\]*]{0,3} ?: ?"
                    r"(?:you |from now|ignore|disregard|new )",
                    r"(?:制限|制約|規制|検閲|フィルター?)の?(?:ない|無い|なし|を受けない)(?:ai|アシスタント|モデル|モード)",
                    rf"(?:今から|これから)(?:あなた|君|お前)は{_GAP}(?:何でもできる|なんでもできる|制限の?(?:ない|無い))",
                    r"(?:開発者|デバッグ|脱獄|管理者)モード(?:に(?:切り替え|入|な)|を(?:有効|オン|起動))",
                ),
            ),
            (
                "exfiltration",
                (
                    rf"\b{_TELL}\b{_NEAR}\b{_OWN}\b",
                    r"\brepeat (?:the )?(?:words|text|everything) above\b",
                    rf"\b{_SEND}\b{_GAP}\b{_KEYS}\b{_GAP}(?:https?://|\bto [\w.+-]{{1,64}}@)",
                    rf"\b{_SEND}\b{_GAP}https?://[^\s]{{0,200}} with{_GAP}\b{_KEYS}\b",
                    r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,200}[?&][\w-]{1,40}=(?:\{|\[|<|%7b|\$)",
                    rf"{_OWN_JA}(?:の(?:全文|内容))?を{_NEAR}(?:表示|教え|出力|見せ|開示|公開|繰り返|書き出)",
                    rf"(?:apiキー|パスワード|認証情報|会話履歴|秘密情報|アクセストークン)を{_GAP}(?:https?://|宛て?に送|へ送信|に送信)",
                ),
            ),
            (
                "encoded_payload",
                (
                    rf"\b(?:decode|decrypt|deobfuscate)\b{_GAP}\b(?:and|then)\b{_NEAR}\b{_OBEY}\b",
                    rf"\b(?:base64|rot13|hex|morse)\b{_GAP}\b{_OBEY}\b{_NEAR}\b(?:it|them|instructions?)\b",
                    rf"(?:base64|rot13|16進数|モールス)を?{_NEAR}(?:デコード|復号|解読|変換){_NEAR}(?:実行|従)",
                ),
            ),
        )
    }
)


def has_injection(text: str) -> tuple[str, ...]:
    """The kinds of attempts that a text has: `hidden_characters` and those of the table; none: it has none."""
    kinds = []
    if not text.isascii():
        if _HIDING.search(_FLAGS.sub("", text)):
            kinds.append("hidden_characters")
        text = _IS_INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    text = re.sub(r"[^\S\n]+", " ", text.casefold())
    for name, shape in _SHAPES.items():
        if any(word in text for word in _NEEDED[name]) and shape.search(text):
            kinds.append(name)
    return tuple(kinds)
