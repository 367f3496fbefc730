"""Where keys for AWS come from: each way by itself, their order, and what is told where one fails."""

from __future__ import annotations

import json
import re

import pytest

from cloche.domain.errors import (
    Problem,
    ProviderBusy,
    ProviderCredentials,
    ProviderForbidden,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
)
from cloche.domain.lending import Found, Lent, Source
from cloche.providers.aws_credentials import HostKeys, StaticKeys, named_keys
from cloche.providers.base import InvalidSettings

from .aws_host import EC2, ECS, ENDS, ROLES, STS, THEN, Host

SECRET = "s3cr3t/value+of=somebody"
KEYS = {"access_key_id": "AKID", "secret_access_key": SECRET}
LENT = Lent({**KEYS, "session_token": "tok"}, ENDS)
ROLE = "arn:aws:iam::123456789012:role/team/serving"

IN_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": SECRET}
WEB_IDENTITY = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": ROLE}
ON_ECS = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1?a=b"}
TOKEN_FILE = {"/token": "ey.J.w\n"}

OF_HOST = json.dumps({"AccessKeyId": "AKID", "SecretAccessKey": SECRET, "Token": "tok", "Expiration": THEN})
ON_EC2 = {
    f"PUT {EC2}/latest/api/token": "session==",
    ROLES: "serving role\n",
    f"{ROLES}serving%20role": json.dumps({"Code": "Success", **json.loads(OF_HOST)}),
}


def of_sts(action: str, end: float | str = ENDS) -> str:
    """STS's answer, asked for JSON."""
    keys = {"AccessKeyId": "AKID", "SecretAccessKey": SECRET, "SessionToken": "tok", "Expiration": end}
    result = {"AssumedRoleUser": {"Arn": "arn"}, "Credentials": keys, "PackedPolicySize": None}
    return json.dumps({f"{action}Response": {"ResponseMetadata": {"RequestId": "1"}, f"{action}Result": result}})


FOR_A_TOKEN = of_sts("AssumeRoleWithWebIdentity")
HOST = HostKeys(None, "eu-west-1")


def fails(host: Host, source: Source = HOST) -> Problem:
    """Why there are no keys.  What is told never has a secret in it."""
    with pytest.raises(Problem) as raised:
        host.keys(source)
    told = raised.value.message + raised.value.summary + repr(raised.value)
    assert not re.search(r"s3cr3t|ey\.J\.w|session==|tok\b", told)
    assert "\n" not in told
    return raised.value


# ---------------------------------------------------------------- the settings' own


def test_keys_of_the_settings() -> None:
    """They are lent without a step and without an end, the session token only where there is one."""
    assert Host().keys(StaticKeys("AKID", SECRET)) == Lent(KEYS)
    assert Host().keys(StaticKeys("AKID", SECRET, "tok")) == Lent({**KEYS, "session_token": "tok"})


def test_keys_are_a_source() -> None:
    """Equal keys are one source, others another, and nothing that is printed shows them."""
    keys = StaticKeys("AKID", SECRET, "tok")
    assert {keys, StaticKeys("AKID", SECRET, "tok")} == {keys}
    assert keys != StaticKeys("AKID", SECRET)
    assert hash(HostKeys(None, "a")) == hash(HostKeys(None, "a"))
    assert HostKeys(None, "a") != HostKeys(ROLE, "a")
    for shown in (repr(keys), str(keys), f"{keys}"):
        assert "AKID" not in shown
        assert SECRET not in shown


@pytest.mark.parametrize("key", ["a\r\nx: y", "a\n", "", "schlüssel", "a\x00"])
def test_keys_that_cannot_stand_in_a_head(key: str) -> None:
    """A line break, or what is not printable ASCII, is refused before it could become a header field."""
    for given in ((key, "s"), ("a", key), ("a", "s", key)):
        with pytest.raises(InvalidSettings, match="printable ASCII"):
            StaticKeys(*given)


# ---------------------------------------------------------------- each way


def test_the_environment() -> None:
    """The keys of the environment come first, whatever else the host offers; nobody is asked."""
    host = Host(IN_ENVIRONMENT | WEB_IDENTITY | ON_ECS, TOKEN_FILE, ON_EC2)
    assert host.keys(HOST) == Lent(KEYS)
    assert host.asked == []
    with_token = Host({**IN_ENVIRONMENT, "AWS_SESSION_TOKEN": "tok"})
    assert with_token.keys(HOST) == Lent({**KEYS, "session_token": "tok"})


def test_half_of_the_environment() -> None:
    """One key without the other is a mistake, and no reason to take somebody else's keys."""
    for name in IN_ENVIRONMENT:
        told = fails(Host({name: "x"}, answers=ON_EC2))
        assert "only one is set" in told.message


def test_web_identity() -> None:
    """The token of the file is given to the region's STS, unsigned; the keys end when STS says."""
    host = Host(WEB_IDENTITY | ON_ECS, TOKEN_FILE, {f"POST {STS}/": FOR_A_TOKEN} | ON_EC2)
    assert host.keys(HOST) == LENT
    [asked] = host.asked
    assert asked.form == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "cloche",
        "WebIdentityToken": "ey.J.w",
    }
    assert asked.fields["accept"] == "application/json"
    assert asked.fields["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in asked.fields
    assert not asked.origin.of_host


def test_web_identity_under_a_name() -> None:
    """The environment may say how the session is called in AWS's log."""
    host = Host(WEB_IDENTITY | {"AWS_ROLE_SESSION_NAME": "pod-7"}, TOKEN_FILE, {f"POST {STS}/": FOR_A_TOKEN})
    host.keys(HOST)
    assert host.asked[0].form["RoleSessionName"] == "pod-7"


def test_web_identity_that_is_not_whole() -> None:
    """A file that is not there, or is empty, and a role that is missing, are told apart."""
    assert "AWS_WEB_IDENTITY_TOKEN_FILE names cannot be read" in fails(Host(WEB_IDENTITY)).message
    assert "or is empty" in fails(Host(WEB_IDENTITY, {"/token": " \n"})).message
    assert "AWS_ROLE_ARN is not" in fails(Host({"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, TOKEN_FILE)).message


def test_a_container_on_ecs() -> None:
    """The path that ECS gives is asked for at ECS's address, as one of the machine's own."""
    host = Host(ON_ECS, {}, {f"GET {ECS}/v2/credentials/1?a=b": OF_HOST} | ON_EC2)
    assert host.keys(HOST) == LENT
    [asked] = host.asked
    assert asked.origin.of_host
    assert "content-type" not in asked.fields
    assert "authorization" not in asked.fields


@pytest.mark.parametrize(
    "url",
    [
        "https://credentials.test/get",
        "http://127.0.0.1:8080/get",
        "http://localhost/get",
        "http://[::1]/get",
        "http://169.254.170.2/get",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
    ],
)
def test_a_container_elsewhere(url: str) -> None:
    """EKS gives a whole URL and the file of a token, which is read anew each time and goes before the plain one."""
    variables = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "plain",
    }
    host = Host(variables, TOKEN_FILE, {f"GET {url}": OF_HOST})
    assert host.keys(HOST) == LENT
    assert host.asked[0].fields["authorization"] == "ey.J.w"
    assert host.asked[0].origin.of_host
    del variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    host.keys(HOST)
    assert host.asked[1].fields["authorization"] == "plain"


@pytest.mark.parametrize(
    "url",
    ["http://credentials.test/", "http://169.254.169.254/", "http://10.0.0.1/", "ftp://localhost/", "nonsense"],
)
def test_a_container_whose_url_is_no_good(url: str) -> None:
    """A token is sent in the clear to this host and its container service alone."""
    told = fails(Host({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "tok"}))
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI must be" in told.message


@pytest.mark.parametrize("path", ["/a b", "/a\r\nx: y", "/ü", "@evil.test/x"])
def test_a_path_of_ecs_stays_a_path(path: str) -> None:
    """What is no path is refused, or asked for at ECS's address all the same."""
    host = Host({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": path})
    fails(host)
    assert all(asked.origin.host == "169.254.170.2" for asked in host.asked)


@pytest.mark.parametrize("token", ["a\r\nx: y", "a\nb", "ü"])
def test_tokens_that_cannot_stand_in_a_head(token: str) -> None:
    """A token with a line break is refused, wherever it comes from, and nothing is sent."""
    for name in ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        host = Host(ON_ECS | {name: token if name.endswith("TOKEN") else "/file"}, {"/file": token})
        assert "characters that cannot be sent" in fails(host).message
        assert host.asked == []
    assert "cannot be sent" in fails(Host({**IN_ENVIRONMENT, "AWS_SESSION_TOKEN": token})).message


def test_an_instance() -> None:
    """On EC2 a session is opened first (IMDSv2); the role's name is found, and its keys."""
    host = Host({"AWS_ACCESS_KEY_ID": "", "AWS_WEB_IDENTITY_TOKEN_FILE": ""}, {}, ON_EC2)
    assert host.keys(HOST) == LENT
    put, *gets = host.asked
    assert put.what == f"PUT {EC2}/latest/api/token"
    assert put.fields["x-aws-ec2-metadata-token-ttl-seconds"] == "300"
    assert [get.fields["x-aws-ec2-metadata-token"] for get in gets] == ["session==", "session=="]
    assert all(asked.origin.of_host and asked.body == "" for asked in host.asked)


def test_an_instance_without_a_role() -> None:
    """It is told that there is no instance profile, or that its role cannot be had."""
    for nothing in (Found(404, {}, b"<html>"), "", "\n"):
        assert "no instance profile" in fails(Host(answers={**ON_EC2, ROLES: nothing})).message
    assert "answered 401" in fails(Host(answers={**ON_EC2, ROLES: Found(401, {}, b"")})).message
    unauthorised = json.dumps({"Code": "AssumeRoleUnauthorizedAccess", "Message": SECRET})
    told = fails(Host(answers={**ON_EC2, f"{ROLES}serving%20role": unauthorised}))
    assert "(AssumeRoleUnauthorizedAccess: the trust policy of the instance's role" in told.message


@pytest.mark.parametrize("problem", [ProviderUnreachable("no route"), ProviderTimeout("nothing came")])
def test_no_way_at_all(problem: Problem) -> None:
    """Where nothing is set up, all that was looked for is told, as a fault of credentials."""
    told = fails(Host(answers={f"PUT {EC2}/latest/api/token": problem}))
    assert isinstance(told, ProviderCredentials)
    for part in ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "container credentials", "instance metadata"):
        assert part in told.message


def test_what_the_operator_does_not_allow_is_told_as_it_is() -> None:
    """A step that is refused is no sign that a service is not there."""
    refusal = ProviderForbidden("not allowed")
    assert fails(Host(answers={f"PUT {EC2}/latest/api/token": refusal})) is refusal


# ---------------------------------------------------------------- a role on top


def test_a_role_is_assumed() -> None:
    """The host's keys sign the request for the role's, at the region's STS."""
    host = Host(IN_ENVIRONMENT, {}, {f"POST {STS}/": of_sts("AssumeRole", THEN)})
    assert host.keys(HostKeys(ROLE, "eu-west-1")) == LENT
    [asked] = host.asked
    assert asked.form == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "cloche",
    }
    assert asked.fields["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/sts/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature="
    )


def test_a_role_over_lent_keys() -> None:
    """Keys of an instance are lent with a session token: it is signed, too."""
    host = Host(answers={**ON_EC2, f"POST {STS}/": of_sts("AssumeRole")})
    host.keys(HostKeys(ROLE, "eu-west-1"))
    assert host.asked[-1].fields["x-amz-security-token"] == "tok"
    assert "x-amz-security-token" in host.asked[-1].fields["authorization"]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
    ],
)
def test_each_partition_has_its_own_sts(region: str, host: str) -> None:
    """STS is asked in the region, below the domain of its partition."""
    asking = Host(IN_ENVIRONMENT, {}, {f"POST https://{host}/": of_sts("AssumeRole")})
    assert asking.keys(HostKeys(ROLE, region)) == LENT


def test_what_an_arn_means() -> None:
    """A role's is assumed; an instance profile's stands for the host's own keys; anything else is refused."""
    assert named_keys(ROLE, "eu-west-1", "x") == HostKeys(ROLE, "eu-west-1")
    profile = "arn:aws-cn:iam::123456789012:instance-profile/serving"
    assert named_keys(profile, "cn-north-1", "x") == HostKeys(None, "cn-north-1")
    for wrong in ("", "serving", "arn:aws:iam::1:role/x", ROLE + "\n", ROLE.replace(":role/", ":user/"), ROLE + "&A=b"):
        with pytest.raises(InvalidSettings, match="ARN of an instance profile"):
            named_keys(wrong, "eu-west-1", "x")


# ---------------------------------------------------------------- refusals


def refusal_of_sts(code: str, status: int = 403, date: bytes = b"") -> Found:
    """An error of STS, in JSON; its message quotes what it was given."""
    error = {"Error": {"Type": "Sender", "Code": code, "Message": f"ey.J.w {SECRET}"}, "RequestId": "1"}
    return Found(status, {b"date": date}, json.dumps(error).encode())


TOLD: list[tuple[Found, type[Problem], str]] = [
    (refusal_of_sts("AccessDenied"), ProviderCredentials, "answered 403 (AccessDenied: the role does not exist, or"),
    (refusal_of_sts("ExpiredTokenException", 400), ProviderCredentials, "answered 400 (ExpiredTokenException: "),
    (refusal_of_sts("ValidationError", 400), ProviderCredentials, "answered 400 (ValidationError)"),
    (refusal_of_sts("s3cr3t with spaces", 400), ProviderCredentials, "answered 400"),
    (refusal_of_sts("Throttling", 400), ProviderBusy, "answered 400 (Throttling)"),
    (Found(429, {}, b""), ProviderBusy, "answered 429"),
    (Found(503, {}, b"<html>"), ProviderUnavailable, "answered 503"),
    (Found(403, {}, b"\xff"), ProviderCredentials, "answered 403"),
    (Found(200, {}, b"<AssumeRoleWithWebIdentityResponse/>"), ProviderCredentials, "answered 200 without keys"),
    (Found(200, {}, b'{"a": {"b": {"Credentials": null}}}'), ProviderCredentials, "answered 200 without keys"),
    (Found(200, {}, of_sts("X").replace("AKID", "").encode()), ProviderCredentials, "the access_key_id that AWS"),
]


@pytest.mark.parametrize(("found", "kind", "told"), TOLD)
def test_a_refusal_of_sts(found: Found, kind: type[Problem], told: str) -> None:
    """Status and code say what it means; the words that came are not passed on."""
    problem = fails(Host(WEB_IDENTITY, TOKEN_FILE, {f"POST {STS}/": found}))
    assert type(problem) is kind
    assert "AWS STS, given the web identity of the host" in problem.message or found.status == 200
    assert told in problem.message


def test_a_service_that_does_not_answer() -> None:
    """It is told which, and stays what it is: something that may work in a moment."""
    problem = fails(Host(WEB_IDENTITY, TOKEN_FILE))
    assert type(problem) is ProviderUnreachable
    assert problem.message == "AWS STS, given the web identity of the host, gives no answer: no route"
    assert type(fails(Host(ON_ECS))) is ProviderUnreachable


def test_a_clock_that_is_wrong() -> None:
    """A refusal whose date is ten minutes away names the clock."""
    found = refusal_of_sts("SignatureDoesNotMatch", 403, b"Sun, 30 Aug 2015 12:26:00 GMT")
    host = Host(IN_ENVIRONMENT, {}, {f"POST {STS}/": found})
    assert fails(host, HostKeys(ROLE, "eu-west-1")).message == (
        "AWS STS, asked to assume the role of this served entity, answered 403 (SignatureDoesNotMatch); "
        "this host's clock is 10 minutes ahead of the provider's"
    )


def test_an_end_without_a_zone_is_in_utc() -> None:
    """Some container services leave the zone out, and some the end."""
    answer = OF_HOST.replace(THEN, THEN.rstrip("Z"))
    assert Host(ON_ECS, {}, {f"GET {ECS}/v2/credentials/1?a=b": answer}).keys(HOST) == LENT
    endless = json.dumps({"AccessKeyId": "AKID", "SecretAccessKey": SECRET})
    assert Host(ON_ECS, {}, {f"GET {ECS}/v2/credentials/1?a=b": endless}).keys(HOST) == Lent(KEYS)
