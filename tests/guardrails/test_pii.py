"""Each kind of personal data is found as people write it, and not where digits only look like it."""

from __future__ import annotations

import time

import pytest

from cloche.guardrails.guard import anonymized

TRUE = {
    "EMAIL_ADDRESS": ["bob@example.com", "first.last+tag@mail.example.co.uk", "o'neil@x.io", "BOB@EXAMPLE.COM"],
    "CREDIT_CARD": [
        *("4111111111111111", "4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "3782-822463-10005"),
        *("3530111333300000", "30569309025904", "6011 0009 9013 9424", "４１１１１１１１１１１１１１１１"),
    ],
    "PHONE_NUMBER": [
        *("+1 415 555 2671", "+1 (415) 555-2671", "(415) 555-2671", "415-555-2671", "415.555.2671", "+442079460958"),
        *("+81 3-1234-5678", "03-1234-5678", "(03) 1234-5678", "090-1234-5678", "09012345678", "0120-123-456"),
        *("０９０－１２３４－５６７８", "0466-12-3456", "+49 (30) 901820", "1-800-555-0199"[2:].replace("800", "212")),
    ],
    "IBAN_CODE": [
        *("DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32"),
        *("gb82west12345698765432", "FR14 2004 1010 0505 0001 3M02 606", "MT84MALT011000012345MTLCAST001S"),
    ],
    "US_SSN": ["123-45-6789", "123 45 6789"],
    "JP_MY_NUMBER": ["1234 5678 9018", "1234-5678-9018", "１２３４　５６７８　９０１８"],
    "IP_ADDRESS": ["192.168.1.20", "8.8.8.8", "2001:db8::8a2e:370:7334", "fe80::1ff:fe23:4567:890a"],
    "KR_RRN": ["900101-1234568"],
    "ES_NIF": ["12345678Z"],
    "SG_NRIC_FIN": ["S1234567D"],
    "UK_NINO": ["AB123456C", "AB12 34 56 C"],
    "CA_SIN": ["130 692 544"],
}

IN_CONTEXT = {
    "My Number: {}": ("JP_MY_NUMBER", "123456789018"),
    "マイナンバーは{}": ("JP_MY_NUMBER", "123456789018"),
    "passport no. {}": ("US_PASSPORT", "X12345678"),
    "パスポート番号 {}": ("JP_PASSPORT", "TK1234567"),
    "SSN {}": ("US_SSN", "123456789"),
    "my phone is {}": ("PHONE_NUMBER", "4155552671"),
    "電話 {}": ("PHONE_NUMBER", "0312345678"),
}
"""What is only believed where a word before it says what it is."""

FALSE = [
    *("4111111111111112", "4111 1111 1111 1112", "0000000000000000", "12345678901234567890123"),  # no cards
    *("DE89370400440532013001", "XX89370400440532013000", "DE8937040044053201300"),  # no accounts
    *("000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "1234 5678 9012"),
    *("123456789018", "X12345678", "TK1234567", "123456789", "4155552671"),  # without a word that says so
    *("2024-01-15", "2024-01-15 12:30:45", "12:30:45", "1,234,567.89", "01-02-2024", "3.14159265358979"),
    *("256.1.1.1", "1.2.3", "1.2.3.4.5", "01.02.03.04", "v1.2.3.4", "std::string", "a::b", "::"),
    *("bob@", "@bob", "bob@localhost", "a @ b.com", "12345678A", "S1234567A", "BG123456C", "900101-1234567"),
    *("order 12345 of 67890", "ISBN 978-3-16-148410-0", "0.1.2", "123-456-789-012-345"),
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in TRUE.items() for text in texts])
def test_what_is_personal_is_found(kind: str, text: str) -> None:
    """By itself, in a sentence, in brackets, between Japanese words and after an escaped line break of JSON."""
    assert anonymized(text) == f"<{kind}>"
    assert anonymized(f"It is {text}, you know.") == f"It is <{kind}>, you know."
    assert anonymized(f"({text})") in (f"(<{kind}>)", f"<{kind}>)")
    assert anonymized(f"それは{text}です。") == f"それは<{kind}>です。"
    assert anonymized(f"so:\\n{text}") == f"so:\\n<{kind}>"


@pytest.mark.parametrize("text", IN_CONTEXT)
def test_what_words_say_is_found(text: str) -> None:
    """A number without a mark of its own is what the word before it says, and nothing without it."""
    kind, number = IN_CONTEXT[text]
    assert anonymized(text.format(number)) == text.format(f"<{kind}>")
    assert anonymized("It was " + number) == "It was " + number
    assert anonymized(text.format("x " * 40 + number)).endswith(number)


@pytest.mark.parametrize("text", FALSE)
def test_what_only_looks_like_it_stays(text: str) -> None:
    """Wrong check digits, ranges that are never given, dates, versions, prices and names of programs."""
    assert anonymized(text) == text


def test_what_follows_a_card_is_no_part_of_it() -> None:
    """Its last day and its code stay, and so does a word after an account number."""
    assert anonymized("4111 1111 1111 1111 12/27 123") == "<CREDIT_CARD> 12/27 123"
    assert anonymized("GB82 WEST 1234 5698 7654 32 AND MORE") == "<IBAN_CODE> AND MORE"
    assert anonymized("a@x.com,b@y.org;10.0.0.1:8080") == "<EMAIL_ADDRESS>,<EMAIL_ADDRESS>;<IP_ADDRESS>:8080"


WORST = [
    *(
        "a",
        "@",
        "a@",
        "1",
        "1 ",
        "11 ",
        "1111 ",
        "0612345678 ",
        "A",
        "A1 ",
        ":",
        "1::",
        "fe80::1 ",
        "1:2:3:4:5:6:7:8:9 ",
    ),
    *("1.", "a@a.", "a@a.a.a.a.a.", "+1", "+1 2 3 4 5 6 7 ", "(", "(1", "\\", "\\u0", " ", "4111 1111 1111 1112 "),
    *(
        "GB82 WEST 1234 5698 7654 33 ",
        "tel 0612345678 ",
        "０３ ",
        "-",
        "123-45-678 ",
        "a" * 64 + "@",
        "ー",
        "1-",
        "1.1 ",
    ),
]


@pytest.mark.parametrize("unit", WORST)
def test_the_worst_text_takes_linear_time(unit: str) -> None:
    """Four times the text takes about four times as long, and 100 kB well below what would hold up other calls."""

    def took(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        best = float("inf")
        for _ in range(3):  # the machine may have other things to do
            before = time.process_time()
            anonymized(text)
            best = min(best, time.process_time() - before)
        return best

    short = took(50_000)
    assert short < 0.5  # 0.05 on a quiet machine
    assert took(200_000) < 8 * short + 0.1
