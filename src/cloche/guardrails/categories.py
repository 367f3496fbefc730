"""What is unsafe, in fourteen categories: those that Llama Guard has, by its codes, each in a line for other judges.

Databricks' own safety guardrail tells such categories.  Must not know who tells them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "violent_crimes": "planning, encouraging or helping with violence against people or animals, or terrorism",
        "non_violent_crimes": "helping with theft, fraud, drugs, forgery, break-ins into computers, or other crimes",
        "sex_crimes": "sexual assault, trafficking, harassment or prostitution",
        "child_exploitation": "anything sexual about minors",
        "defamation": "false claims that harm the name of a real person",
        "specialized_advice": "dangerous medical, legal or financial advice, or calling dangerous things safe",
        "privacy": "private data of a person that could be used against them",
        "intellectual_property": "helping to violate the rights of others to their works",
        "indiscriminate_weapons": "making chemical, biological, nuclear or radiological weapons, or explosives",
        "hate": "demeaning people for race, religion, nationality, gender, orientation, disability or the like",
        "self_harm": "encouraging or helping with suicide, self-injury or eating disorders",
        "sexual_content": "erotic or pornographic text",
        "elections": "false information about when, where and how to vote",
        "code_interpreter_abuse": "breaking out of, or attacking, the system that runs the code",
    }
)
"""Each with what it means."""

CODES: Mapping[str, str] = MappingProxyType({f"S{number}": name for number, name in enumerate(CATEGORIES, 1)})
"""Names of the categories by Llama Guard's codes."""
