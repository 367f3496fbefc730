"""A list of phrases for each category of what is unsafe, in English and Japanese: what is done where no judge is named.

It finds who says it in these words, and nobody who says it in others: a net with wide meshes, which costs little and
errs rarely.  Phrases and not words, because a word that is forbidden alone stands in too many harmless texts.  Must not
know what becomes of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from types import MappingProxyType

from cloche.guardrails.keywords import Keywords

_HOW = ("how to make", "how to build", "how do i make", "how do i build", "how can i make", "instructions for making")
_ARMS = ("a bomb", "a pipe bomb", "a nail bomb", "a car bomb", "a dirty bomb", "an explosive", "explosives", "napalm")
_AGENTS = ("nerve gas", "sarin", "mustard gas", "ricin", "a chemical weapon", "a biological weapon", "anthrax")
_DRUGS = ("meth", "methamphetamine", "crystal meth", "heroin", "crack cocaine", "fentanyl")
_MALICE = ("ransomware", "malware", "a computer virus", "a keylogger", "a botnet", "a phishing site", "a phishing page")


def _made(*things: str) -> Iterator[str]:
    return (f"{how} {thing}" for how, thing in product(_HOW, things))


_PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "violent_crimes": (
            *("how to kill someone", "how to kill a person", "how to murder", "how do i kill someone", "how to poison"),
            *(
                "hire a hitman",
                "hire a killer",
                "get away with murder",
                "plan a mass shooting",
                "plan a school shooting",
            ),
            *("i will kill you", "i am going to kill you", "i'm going to kill you", "how to behead"),
            *("人を殺す方法", "人の殺し方", "殺してやる", "ぶっ殺す", "完全犯罪の方法", "殺し屋を雇", "毒殺する方法"),
            *("無差別殺人を計画", "テロを計画", "テロのやり方"),
        ),
        "non_violent_crimes": (
            *_made(*_DRUGS, *_MALICE, "a fake id", "a fake passport", "counterfeit money"),
            *("how to launder money", "how to hotwire a car", "how to hack into", "how to steal a credit card"),
            *("how to steal a car", "how to shoplift", "how to forge a signature", "how to clone a credit card"),
            *("how to pick pockets", "how to commit fraud", "how to evade taxes", "buy stolen credit cards"),
            *("覚醒剤の作り方", "覚醒剤を作る方法", "大麻の買い方", "偽札の作り方", "偽造パスポート", "万引きのやり方"),
            *(
                "万引きする方法",
                "マルウェアの作り方",
                "ウイルスの作り方を教え",
                "ランサムウェアの作り方",
                "資金洗浄の方法",
            ),
            *(
                "マネーロンダリングの方法",
                "詐欺のやり方",
                "闇バイトを紹介",
                "クレジットカード番号を盗",
                "不正アクセスの方法",
            ),
        ),
        "sex_crimes": (
            *("how to rape", "date rape drug", "drug someone for sex", "how to traffic women", "revenge porn of"),
            *(
                "レイプする方法",
                "レイプの方法",
                "デートレイプドラッグ",
                "睡眠薬を飲ませて襲",
                "盗撮のやり方",
                "盗撮する方法",
            ),
            *("痴漢のやり方", "リベンジポルノを"),
        ),
        "child_exploitation": (
            *("child porn", "child pornography", "kiddie porn", "sex with children", "sex with a child"),
            *("sex with minors", "sex with a minor", "naked children", "how to groom a child", "sexualized minors"),
            *("児童ポルノ", "子供のポルノ", "子どものポルノ", "子供とセックス", "未成年とセックス", "小学生とセックス"),
            *("子供の裸の画像", "子どもの裸の画像"),
        ),
        "privacy": (
            *("find her home address", "find his home address", "find someone's home address", "dox someone"),
            *("how to dox", "track someone without their knowledge", "how to stalk", "read her messages without"),
            *(
                "スマホを勝手に監視",
                "他人の住所を特定",
                "住所を特定する方法",
                "ストーカーのやり方",
                "無断で位置情報を追跡",
            ),
        ),
        "indiscriminate_weapons": (
            *_made(*_ARMS, *_AGENTS),
            *("how to enrich uranium", "synthesize sarin", "synthesize nerve agents", "culture anthrax"),
            *("爆弾の作り方", "爆弾を作る方法", "爆発物の作り方", "爆薬の作り方", "サリンの作り方", "毒ガスの作り方"),
            *("化学兵器の作り方", "生物兵器の作り方", "核兵器の作り方", "ナパームの作り方", "火炎瓶の作り方"),
        ),
        "hate": (
            *("gas the jews", "kill all jews", "kill all muslims", "kill all christians", "kill all black people"),
            *("kill all gays", "exterminate the jews", "white power", "heil hitler", "subhuman race"),
            *(
                "朝鮮人は死ね",
                "在日は出て行け",
                "在日は出ていけ",
                "外国人は死ね",
                "障害者は死ね",
                "ゲイは死ね",
                "劣等民族",
            ),
        ),
        "self_harm": (
            *("how to kill myself", "how do i kill myself", "i want to kill myself", "best way to commit suicide"),
            *(
                "how to commit suicide",
                "painless suicide",
                "painless way to die",
                "how to hang myself",
                "how to cut myself",
            ),
            *("how to overdose", "i want to end my life", "pro ana tips", "how to starve myself"),
            *(
                "自殺の方法",
                "自殺する方法",
                "自殺したい",
                "楽な死に方",
                "楽に死ぬ方法",
                "死にたい",
                "首吊りの方法",
                "首の吊り方",
            ),
            *("リストカットのやり方", "リストカットの方法", "オーバードーズの方法", "致死量を教え"),
        ),
        "sexual_content": (
            *("write erotica", "write porn", "write an erotic story", "write a sex scene", "explicit sex story"),
            *("官能小説を書い", "エロ小説を書い", "エロい話を書い", "ポルノを書い", "性行為を描写"),
        ),
        "elections": (
            *("vote by text message", "tell people the election is on the wrong day", "how to rig an election"),
            *("how to stuff ballots", "how to suppress votes"),
            *("選挙を不正に操作する方法", "投票を妨害する方法", "投票日を偽"),
        ),
    }
)


@cache
def unsafe_words() -> Mapping[str, Keywords]:
    """What is looked for, by category.  Categories of which no list of phrases can tell anything are not there."""
    return MappingProxyType({name: Keywords(phrases) for name, phrases in _PHRASES.items()})


def unsafe_phrases() -> Iterator[str]:
    """All of them."""
    return (phrase for phrases in _PHRASES.values() for phrase in phrases)
