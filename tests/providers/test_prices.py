"""The table of prices that comes with cloche, and what calls cost by it."""

from __future__ import annotations

from importlib import resources

import pytest

from cloche.domain.chat import Usage
from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.domain.money import FREE, Price, Rates, dollars, nanos
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.prices import PriceTable

TABLE = PriceTable(resources.files("cloche.providers").joinpath("prices.json").read_bytes())


def of(provider: str, name: str, **settings: object) -> Price | None:
    """The price of a model."""
    return TABLE.of(ExternalModel(name, provider, CHAT_TASK, settings))


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-4o-mini"),
        ("openai", "text-embedding-3-small"),
        ("anthropic", "claude-sonnet-4-5"),
        ("amazon-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("gemini", "gemini-2.5-pro"),
        ("google-cloud-vertex-ai", "gemini-2.5-pro"),
        ("cohere", "command-r-plus"),
        ("mistral", "mistral-large-latest"),
    ],
)
def test_models_that_everybody_uses_have_a_price(provider: str, name: str) -> None:
    """A model is found by the name that its provider takes."""
    price = of(provider, name)
    assert price is not None
    assert price.rates.input > 0


def test_what_is_not_known_has_no_price() -> None:
    """A model that nobody has heard of, and one of a service without prices, cost an unknown amount, not nothing."""
    assert of("openai", "my-own-model") is None
    assert of("custom", "gpt-4o-mini") is None
    assert of("vllm", "gpt-4o-mini") is None


def test_every_provider_of_the_table_is_one() -> None:
    """No row stands under a name that no endpoint can have."""
    assert set(TABLE._models) - {"azure"} <= set(PROVIDERS)


def test_a_model_at_azure_has_azures_price() -> None:
    """The same provider's settings tell where the model is."""
    assert of("openai", "gpt-4o-mini", openai_api_type="azure") == TABLE.find("azure", "gpt-4o-mini")


def test_cost_is_exact_and_each_token_is_paid_once() -> None:
    """Cached and written tokens are of the prompt and cost their own price; where they have none, the prompt's."""
    price = Price(Rates(3 * 10**9, 15 * 10**9, cached=3 * 10**8, written=375 * 10**7))
    assert price.cost(Usage(1000, 100)) == 1000 * 3000 + 100 * 15_000
    used = Usage(1000, 100, cached_tokens=600, cache_write_tokens=300, reasoning_tokens=50)
    assert price.cost(used) == 600 * 300 + 300 * 3750 + 100 * 3000 + 100 * 15_000
    assert Price(Rates(10**9, 0)).cost(Usage(5, 0, cached_tokens=5)) == 5000
    assert price.cost(Usage(10, 0, cached_tokens=50)) == 10 * 300
    assert Price(Rates(1, 0)).cost(Usage(1, 0)) == 1, "less than a billionth counts as one"
    assert FREE.cost(used) == 0
    assert price.most(1000, 100) == 1000 * 3750 + 100 * 15_000


def test_a_long_prompt_is_paid_at_its_tier() -> None:
    """From one token above the bound on, all tokens of the call cost more."""
    price = Price(Rates(10**9, 10**9), ((200, Rates(2 * 10**9, 3 * 10**9)),))
    assert price.cost(Usage(200, 1)) == 201_000
    assert price.cost(Usage(201, 1)) == 201 * 2000 + 3000


def test_dollars_come_back_as_they_were_written() -> None:
    """What is written in JSON is the same amount after both ways."""
    for amount in (0.0, 0.075, 1.1, 2.5, 999_999.99):
        assert dollars(nanos(amount)) == amount
