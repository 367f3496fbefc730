"""Check digits and ranges: what tells a real number from digits that only look like one.

Each takes a number without its separators.  Must not know where it stands in a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

IBAN_LENGTHS: Mapping[str, int] = MappingProxyType(
    {
        code: length
        for length, codes in (
            (15, "NO"),
            (16, "BE"),
            (18, "DK FI FK FO GL NL SD"),
            (19, "MK SI"),
            (20, "AT BA EE KZ LT LU MN XK"),
            (21, "CH HR LI LV"),
            (22, "BG BH CR DE GB GE IE ME RS VA"),
            (23, "AE GI IL IQ OM SO TL"),
            (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
            (25, "LY PT ST"),
            (26, "IS TR"),
            (27, "BI DJ FR GR IT MC MR SM"),
            (28, "AL AZ BY CY DO GT HU LB NI PL SV"),
            (29, "BR EG PS QA UA"),
            (30, "JO KW MU YE"),
            (31, "MT SC"),
            (32, "LC"),
            (33, "RU"),
        )
        for code in codes.split()
    }
)
"""Characters of an account number, by country: the register of SWIFT, https://www.swift.com/standards."""

_DOUBLED = str.maketrans("0123456789", "0246813579")
_NIF = "TRWAGMYFPDXBNJZSQVHLCKE"
_NRIC = {"S": "JZIHGFEDCBA", "T": "GFEDCBAJZIH", "F": "XWUTRQPNMLK", "G": "RQPNMLKXWUT"}


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of payment cards and of Canadian insurance numbers."""
    return (sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))) % 10 == 0


def card(digits: str) -> bool:
    """A payment card: the ranges that are issued, and the check digit."""
    return 13 <= len(digits) <= 19 and (digits[0] in "3456" or "22" <= digits[:2] <= "27") and luhn(digits)


def iban(text: str) -> bool:
    """An account number: its country's length, and its remainder."""
    if IBAN_LENGTHS.get(text[:2].upper()) != len(text):
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def us_ssn(digits: str) -> bool:
    """A number of the US social security: the ranges that are never given are none."""
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def jp_my_number(digits: str) -> bool:
    """An individual number of Japan, by its check digit (ordinance 85 of 2014 of its Ministry of Internal Affairs)."""
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 11
    return len(digits) == 12 and int(digits[-1]) == (0 if rest <= 1 else 11 - rest)


def kr_rrn(digits: str) -> bool:
    """A resident's number of Korea: a date, and the check digit that those given before October 2020 have."""
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))
    return "01" <= digits[2:4] <= "12" and "01" <= digits[4:6] <= "31" and int(digits[-1]) == (11 - rest % 11) % 10


def es_nif(text: str) -> bool:
    """A Spanish tax number of a person: eight digits, and the letter that they make."""
    return _NIF[int(text[:8]) % 23] == text[8]


def sg_nric(text: str) -> bool:
    """An identity number of Singapore: its last letter follows from the rest."""
    weights = (2, 7, 6, 5, 4, 3, 2)
    return _NRIC[text[0]][sum(int(d) * w for d, w in zip(text[1:8], weights, strict=True)) % 11] == text[8]


def ipv4(text: str) -> bool:
    """An address: four numbers below 256, written without leading zeros."""
    return all(part == str(int(part)) and int(part) < 256 for part in text.split("."))
