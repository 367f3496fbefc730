"""Where keys for AWS come from: from the settings, or from what the host is, as AWS's own SDKs look for them.

A host's keys are looked for in the environment, behind a web identity (EKS, and any OpenID Connect issuer), at the
container's credentials service (ECS, EKS Pod Identity) and at the instance metadata service (EC2), in that order; the
first that is set up there decides, and if it fails no other is tried, because that would be somebody else's keys.
Profiles in ~/.aws are not read: they belong to a person.  A role that the settings name is assumed on top.

Steps only (domain/lending.py): nothing here connects, and what came is never quoted, because it may be a key.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from ipaddress import ip_address
from urllib.parse import quote, urlencode

import msgspec

from cloche.domain.errors import ProviderCredentials, ProviderTimeout, ProviderUnreachable
from cloche.domain.lending import Found, FromHost, Lent, Steps
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers.aws_answers import fit, keys_in, keys_of_role, lend, refused
from cloche.providers.aws_signing import AwsSignature, service_host
from cloche.providers.base import InvalidSettings, header_value, parse_url, render_head

_Way = Generator[HttpCall | FromHost, Found, Lent | None]
"""One way to the host's keys; None: it is not set up on this host."""

_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|instance-profile)/[\w+=,.@/-]{1,576}", re.ASCII)

_ECS = Origin("169.254.170.2", 80, of_host=True)
_EC2 = Origin("169.254.169.254", 80, of_host=True)

_NEAR = frozenset(("localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"))
"""Where a container's credentials may be fetched without TLS, besides loopback: ECS, and EKS on IPv4 and IPv6."""

_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"

_SESSION = "cloche"
"""The name of our sessions in AWS's audit log, where the environment names none."""


class StaticKeys(msgspec.Struct, frozen=True):
    """Keys as the settings give them.  InvalidSettings for what could not stand in a header field."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) is not None:
                header_value(getattr(self, name), f"aws_{name}")

    def __repr__(self) -> str:
        """Without the keys."""
        return "StaticKeys(…)"

    def obtain(self, now: float) -> Steps:
        """They are there: no step is needed, and they have no end that is known."""
        yield from ()
        return lend(self.access_key_id, self.secret_access_key, self.session_token)


class HostKeys(msgspec.Struct, frozen=True):
    """The keys of the host, or of the role `role_arn` that is assumed with them.

    `region`: whose STS is asked; `sts`: its base URL where it is elsewhere.  `metadata` and `container`: the services
    of the host.
    """

    role_arn: str | None
    region: str
    metadata: Origin = _EC2
    container: Origin = _ECS
    sts: str | None = None

    def obtain(self, now: float) -> Steps:
        """The steps.  ProviderCredentials tells which way was tried and what came."""
        own = yield from self._own(now)
        if self.role_arn is None:
            return own
        what = "AWS STS, asked to assume the role of this served entity,"
        call = self._ask_sts({"Action": "AssumeRole", "RoleArn": self.role_arn, "RoleSessionName": _SESSION})
        signed = AwsSignature("sts", self.region, self).authorize(call, own, now)
        return keys_of_role((yield from _ask(what, signed, now)), what)

    def _own(self, now: float) -> Steps:
        for way in (_environment(), self._web_identity(now), self._container(now), self._instance(now)):
            lent = yield from way
            if lent is not None:
                return lent
        raise ProviderCredentials(
            "no AWS credentials were found on the host that cloche runs on: AWS_ACCESS_KEY_ID and "
            "AWS_WEB_IDENTITY_TOKEN_FILE are not set, no container credentials are offered, and no instance metadata "
            "service answers (in a container on EC2, its hop limit must be 2 or more)"
        )

    def _web_identity(self, now: float) -> _Way:
        file = yield from _variable("AWS_WEB_IDENTITY_TOKEN_FILE")
        role = yield from _variable("AWS_ROLE_ARN")
        if file is None:
            return None
        if role is None:
            raise ProviderCredentials("AWS_WEB_IDENTITY_TOKEN_FILE is set on the host, but AWS_ROLE_ARN is not")
        session = yield from _variable("AWS_ROLE_SESSION_NAME")
        token = yield from _file(file, "AWS_WEB_IDENTITY_TOKEN_FILE")
        fields = {"Action": "AssumeRoleWithWebIdentity", "RoleArn": role, "RoleSessionName": session or _SESSION}
        what = "AWS STS, given the web identity of the host,"
        return keys_of_role((yield from _ask(what, self._ask_sts(fields | {"WebIdentityToken": token}), now)), what)

    def _container(self, now: float) -> _Way:
        near = yield from _variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        far = yield from _variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if near is not None:
            url = f"http://{self.container.host}/{near.lstrip('/')}"
            where = self.container, _parsed(url, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")[1]
        elif far is not None:
            where = _container_url(far)
        else:
            return None
        token = yield from _container_token()
        headers = {"accept": "application/json"} | ({} if token is None else {"authorization": token})
        what = "the container's credentials service"
        return keys_in((yield from _ask(what, _call("GET", *where, headers), now)), what)

    def _instance(self, now: float) -> _Way:
        what = "the instance metadata service"
        try:
            call = _call("PUT", self.metadata, "/latest/api/token", {"x-aws-ec2-metadata-token-ttl-seconds": "300"})
            token = yield from _ask(what, call, now)
        except (ProviderUnreachable, ProviderTimeout):
            return None  # no EC2 instance
        headers = {"x-aws-ec2-metadata-token": fit(token.decode("latin-1").strip(), what)}
        roles = yield _call("GET", self.metadata, _ROLE_PATH, headers)
        name = roles.body.decode("latin-1").partition("\n")[0].strip()
        if roles.status not in (200, 404):
            raise refused(what, roles, now)
        if roles.status == 404 or not name:
            raise ProviderCredentials("the EC2 instance that cloche runs on has no instance profile, or no role in it")
        call = _call("GET", self.metadata, _ROLE_PATH + quote(name, safe=""), headers)
        return keys_in((yield from _ask(what, call, now)), what)

    def _ask_sts(self, fields: dict[str, str]) -> HttpCall:
        """A call to STS, not signed.  It answers in XML unless it is asked for JSON."""
        url = self.sts or f"https://{service_host('sts', self.region)}"
        origin, path = parse_url(url, "sts")
        form = "application/x-www-form-urlencoded"
        head = render_head(origin, path or "/", {"accept": "application/json"}, kind=form)
        return HttpCall(origin, head, [urlencode({"Version": "2011-06-15"} | fields).encode()])


def named_keys(arn: str, region: str, path: str) -> HostKeys:
    """What the `instance_profile_arn` of the settings means; `path`: where it stands.  InvalidSettings for no ARN.

    A role's is assumed with the host's keys.  An instance profile's means those keys themselves: it is what EC2 calls
    the role of a host.
    """
    found = _ARN.fullmatch(arn)
    if found is None:
        raise InvalidSettings([(path, "must be the ARN of an instance profile or of a role")])
    return HostKeys(arn if found[1] == "role" else None, region)


# ---------------------------------------------------------------- steps


def _environment() -> _Way:
    key = yield from _variable("AWS_ACCESS_KEY_ID")
    secret = yield from _variable("AWS_SECRET_ACCESS_KEY")
    token = yield from _variable("AWS_SESSION_TOKEN")
    if key is None and secret is None:
        return None
    if key is None or secret is None:
        raise ProviderCredentials(
            "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set on the host that cloche runs on"
        )
    return lend(key, secret, token)


def _variable(name: str) -> Generator[FromHost, Found, str | None]:
    """A variable of the host's environment; one that is empty is not set, as for AWS's SDKs."""
    found = yield FromHost("variable", name)
    return found.body.decode() or None if found.status == 200 else None


def _file(path: str, variable: str) -> Generator[FromHost, Found, str]:
    """The text of the file that a variable names."""
    found = yield FromHost("file", path)
    text = found.body.decode("latin-1").strip() if found.status == 200 else ""
    if not text:
        raise ProviderCredentials(f"the file that {variable} names cannot be read, or is empty")
    return fit(text, f"what {variable} names")


def _container_token() -> Generator[FromHost, Found, str | None]:
    file = yield from _variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if file is not None:
        return (yield from _file(file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
    token = yield from _variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    return None if token is None else fit(token, "AWS_CONTAINER_AUTHORIZATION_TOKEN")


def _container_url(url: str) -> tuple[Origin, str]:
    """Where a container's credentials are.  ProviderCredentials for an address to which a token must not be sent."""
    variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    origin, target = _parsed(url, variable)
    if not origin.tls and not _is_near(origin.host):
        raise ProviderCredentials(f"{variable} must be https, or an address of this host or its container service")
    return msgspec.structs.replace(origin, of_host=True), target


def _parsed(url: str, variable: str) -> tuple[Origin, str]:
    try:
        return parse_url(url, variable)
    except InvalidSettings as fault:
        raise ProviderCredentials(f"{variable} {fault.problems[0][1]}") from None


def _is_near(host: str) -> bool:
    try:
        return host in _NEAR or ip_address(host).is_loopback
    except ValueError:
        return False


def _call(method: str, origin: Origin, target: str, headers: dict[str, str]) -> HttpCall:
    return HttpCall(origin, render_head(origin, target, headers, method, kind=None), ())


def _ask(what: str, call: HttpCall, now: float) -> Generator[HttpCall, Found, bytes]:
    """The body of the answer.  A Problem of the same kind if there is none, ProviderCredentials if it is a refusal."""
    try:
        found = yield call
    except (ProviderUnreachable, ProviderTimeout) as problem:
        raise type(problem)(f"{what} gives no answer: {problem.message}", retry_after=problem.wait) from None
    if found.status != 200:
        raise refused(what, found, now)
    return found.body
