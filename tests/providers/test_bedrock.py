"""Models on Bedrock: their settings, the heads of their calls, and what its refusals mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.codec.eventstream import Frames
from cloche.domain.errors import (
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderCredentials,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from cloche.domain.outbound import HttpCall, Origin
from cloche.domain.translation import Report
from cloche.providers.aws_signing import AwsSignature
from cloche.providers.base import InvalidSettings
from cloche.providers.bedrock_converse import Converse
from cloche.providers.bedrock_embeddings import BedrockEmbedder
from cloche.providers.bedrock_errors import STATUS, exception_in
from cloche.providers.bedrock_invoke import Invoke
from cloche.wire.openai import read_chat
from codec.frames import exception, frame, text

from .bedrock_calls import CLAUDE, KEY_ID, SECRET, bound, chat_model

GROUP = "amazon_bedrock_config"
HI = read_chat(b'{"messages": [{"role": "user", "content": "hi"}]}')
ARN = "arn:aws:iam::123456789012:instance-profile/serving"
NO_KEYS: dict[str, Any] = {"aws_access_key_id_plaintext": None, "aws_secret_access_key_plaintext": None}

# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ({"aws_region": "x/y"}, f"{GROUP}.aws_region", "is no region"),
        ({"aws_region": None}, f"{GROUP}.aws_region", "this field is required"),
        ({"bedrock_provider": "x"}, f"{GROUP}.bedrock_provider", "must be one of ai21labs, amazon, anthropic, cohere"),
        (
            {"aws_access_key_id_plaintext": None},
            f"{GROUP}.aws_access_key_id",
            "give aws_access_key_id or aws_access_key_id_plaintext",
        ),
        ({"aws_access_key_id_plaintext": "a/b+c"}, f"{GROUP}.aws_access_key_id_plaintext", "is no id of an access key"),
        ({"aws_access_key_id_plaintext": "ASIAEXAMPLE"}, f"{GROUP}.aws_session_token", "is required: a key whose id"),
        ({"aws_region": "us-east-1a"}, f"{GROUP}.aws_region", "is no region"),
        (
            {"aws_secret_access_key_plaintext": None},
            f"{GROUP}.aws_secret_access_key",
            "give aws_secret_access_key or aws_secret_access_key_plaintext",
        ),
        ({"aws_session_token": "{{secrets/a/b}}"}, f"{GROUP}.aws_session_token", "must be {{secrets/SCOPE/KEY}}"),
        (
            {"instance_profile_arn": ARN, **NO_KEYS, "aws_session_token_plaintext": "t"},
            f"{GROUP}.aws_session_token_pl",
            "give eith",
        ),
        ({"instance_profile_arn": "x", **NO_KEYS}, f"{GROUP}.instance_profile_arn", "must be the ARN of"),
        ({"uc_service_credential_name": "x"}, f"{GROUP}.uc_service_credential_name", "is not supported: cloche knows"),
        ({"aws_api_base": "h"}, f"{GROUP}.aws_api_base", "must be an http:// or https:// URL"),
        ({"aws_api_base": "http://h/?a=b"}, f"{GROUP}.aws_api_base", "must have no query"),
        (
            {
                "aws_api_base": "https://evil.execute-api.us-east-1.amazonaws.com",
                "instance_profile_arn": ARN,
                **NO_KEYS,
            },
            f"{GROUP}.aws_api_base",
            "must be the provider's own",
        ),
        (
            {"aws_api_base": "http://bedrock-runtime.us-east-1.amazonaws.com", "instance_profile_arn": ARN, **NO_KEYS},
            f"{GROUP}.aws_api_base",
            "must be the provider's own",
        ),
        ({"bedrock_api_type": "x"}, f"{GROUP}.bedrock_api_type", "must be one of converse, invoke"),
        ({"aws_regoin": "x"}, f"{GROUP}.aws_regoin", "there is no such field"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], path: str, words: str) -> None:
    """Each wrong setting is reported with its path, and no key is in the words."""
    with pytest.raises(InvalidSettings) as caught:
        bound(**settings)
    [(where, what)] = caught.value.problems
    assert where.startswith(path)
    assert what.startswith(words)
    assert SECRET not in what


def test_keys_and_a_profile() -> None:
    """Keys beside an instance profile are refused, each by its name."""
    with pytest.raises(InvalidSettings) as caught:
        bound(instance_profile_arn=ARN)
    assert [where for where, _ in caught.value.problems] == [
        f"{GROUP}.aws_access_key_id_plaintext",
        f"{GROUP}.aws_secret_access_key_plaintext",
    ]


def call_of(stream: bool = False, **settings: Any) -> HttpCall:
    """A call of a chat model with these settings."""
    return chat_model(**settings).encode(HI, Report(), stream=stream)


@pytest.mark.parametrize(
    "host",
    [
        "bedrock-runtime.us-east-1.amazonaws.com",
        "bedrock-runtime-fips.us-east-1.amazonaws.com",
        "bedrock-runtime.us-east-1.api.aws",
        "vpce-0123-abc.bedrock-runtime.us-east-1.vpce.amazonaws.com",
        "localhost",
    ],
)
def test_the_host_s_keys_sign_calls_to_aws(host: str) -> None:
    """To each of the service's names, and to this machine."""
    settings: dict[str, Any] = {"aws_api_base": f"https://{host}", "instance_profile_arn": ARN, **NO_KEYS}
    assert call_of(**settings).origin.host == host


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        ({}, Origin("bedrock-runtime.us-east-1.amazonaws.com", 443, tls=True)),
        ({"aws_region": "cn-north-1"}, Origin("bedrock-runtime.cn-north-1.amazonaws.com.cn", 443, tls=True)),
        ({"aws_api_base": "http://127.0.0.1:9000/aws/"}, Origin("127.0.0.1", 9000)),
    ],
)
def test_where_calls_go(settings: dict[str, Any], origin: Origin) -> None:
    """Calls go to the service of the region, or to the base that is given."""
    assert call_of(**settings).origin == origin


def test_the_head_of_a_call() -> None:
    """The model's id stands percent-encoded in the path, and no key in the head: calls are signed one by one."""
    whole, streamed = call_of(aws_api_base="http://h/aws/"), call_of(aws_api_base="http://h/aws", stream=True)
    target = "/aws/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
    assert whole.head.startswith(f"POST {target}/converse HTTP/1.1\r\n".encode())
    assert streamed.head.startswith(f"POST {target}/converse-stream HTTP/1.1\r\n".encode())
    assert KEY_ID.encode() not in whole.head


def test_calls_are_signed() -> None:
    """Each call names who signs it for Bedrock, with the keys of the settings or those of the host."""
    for settings in ({}, {"instance_profile_arn": ARN, **NO_KEYS}, {"aws_session_token_plaintext": "t" * 20}):
        signature = call_of(**settings).authorizer
        assert isinstance(signature, AwsSignature)
        assert (signature.service, signature.region) == ("bedrock", "us-east-1")
        assert SECRET not in repr(signature)


def test_what_is_bound() -> None:
    """The task and the API type say what answers for a model; the name of a maker counts in any case of letters."""
    assert isinstance(bound(), Converse)
    assert isinstance(bound(bedrock_provider="Anthropic"), Converse)
    assert isinstance(bound("qwen.qwen3-32b-v1:0"), Converse)
    assert isinstance(bound(bedrock_api_type="invoke"), Invoke)
    assert isinstance(bound("amazon.titan-text-lite-v1", "llm/v1/completions"), Invoke)
    assert isinstance(bound("amazon.titan-embed-text-v2:0", "llm/v1/embeddings"), BedrockEmbedder)
    for task, model in (("llm/v1/embeddings", CLAUDE), ("llm/v1/completions", "qwen.qwen3-32b-v1:0")):
        with pytest.raises(InvalidSettings, match="of no family"):
            bound(model, task)


# ---------------------------------------------------------------- refusals

OF_STATUS: dict[int, tuple[type[Problem], int]] = {
    400: (ProviderRefused, 400),
    403: (ProviderCredentials, 500),
    404: (ProviderRefused, 404),
    429: (ProviderBusy, 429),
    500: (ProviderBroken, 502),
    503: (ProviderUnavailable, 503),
    504: (ProviderTimeout, 504),
}


@pytest.mark.parametrize("name", STATUS)
def test_refusals_are_told_by_their_name(name: str) -> None:
    """The exception's name decides, in a header or a body, whatever the status; in a stream it opens small."""
    body = {"message": "because"}
    named = {b"x-amzn-errortype": f"{name}:http://internal.amazon.com/".encode()}
    inside = {"__type": f"com.amazon.bedrock#{name}", **body}
    stream = exception(name[0].lower() + name[1:], "because")
    [found] = Frames().feed(stream)
    problems = [
        chat_model().error(418, named, json.dumps(body).encode()),
        chat_model().error(418, {}, json.dumps(inside).encode()),
        exception_in(found),
    ]
    kind, status = OF_STATUS[STATUS[name]]
    for problem in problems:
        assert isinstance(problem, kind)
        assert problem.status == status
        assert kind is ProviderCredentials or problem.message.endswith("because")


def test_refusals_without_a_name() -> None:
    """Where no exception is named, the status decides."""
    assert isinstance(chat_model().error(503, {b"retry-after": b"7"}, b"<html>"), ProviderUnavailable)
    assert chat_model().error(429, {b"retry-after": b"7"}, b'{"Message": "slow"}').retry_after == 7
    assert isinstance(chat_model().error(403, {}, b'{"Message": "no"}'), ProviderCredentials)


def test_an_exception_ends_a_stream() -> None:
    """An exception in a stream is raised as what it means, an unknown one too; so is an error of the transport."""
    error = text(":message-type", "error") + text(":error-code", "InternalServerException")
    for last, kind in (
        (exception("throttlingException", "slow"), ProviderBusy),
        (exception("newException", "what"), ProviderBroken),
        (frame(error + text(":error-message", "oh"), b""), ProviderBroken),
    ):
        with pytest.raises(kind):
            chat_model().decoder().feed(last)
