"""The keys that sign access tokens: made when one is first needed, replaced after a month, removed when what they
signed has ended.

The private part is kept sealed and opened once in each process; the public part is in every snapshot.  Must not know
what is signed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cloche.control.auditing import note
from cloche.control.publish import Publisher
from cloche.domain.access import ACCESS_TOKEN_ALGORITHM, Caller
from cloche.domain.state import SigningKey
from cloche.store.work import Work

LIFETIME_SECONDS = 3600
"""Of an access token."""

MAX_AGE_MS = 30 * 24 * 3600 * 1000
KEPT_MS = (LIFETIME_SECONDS + 300) * 1000
"""How long a key is kept that signs no more: another process may go on with it until it hears of that."""


class SigningKeys:
    """Signs with the newest key.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._now_ms = now_ms
        self._opened: tuple[str, Any] | None = None

    def sign(self, claims: dict[str, Any]) -> str:
        """Claims as a signed token."""
        import jwt  # late: 40 ms and 6 MB that a server of kept tokens never pays

        key = self._current()
        if self._opened is None or self._opened[0] != key.id:
            self._opened = (key.id, self._private(key))
        return jwt.encode(claims, self._opened[1], algorithm=ACCESS_TOKEN_ALGORITHM, headers={"kid": key.id})

    def published(self) -> dict[str, Any]:
        """The public keys, as a JWKS: of everything that is still accepted."""
        keys = self._publisher.current().state.signing_keys
        return {"keys": [json.loads(key.public_jwk) for key in keys]}

    def rotate(self, caller: Caller) -> str:
        """Sign with a new key from now on; its id.  What the old ones signed is accepted to its end."""
        with self._publisher.change() as work:
            made = self._replace(work)
            note(work, caller, "oauth.rotate_key", made.id, self._now_ms())
        return made.id

    def _current(self) -> SigningKey:
        """The key that signs, made anew if there is none or it is too old."""
        known = self._publisher.current().state.signing_keys
        found = self._good(known)
        if found is not None and not self._ended(known):
            return found
        with self._publisher.change() as work:
            # Another process may have done it since.
            found = self._good(work.signing_keys.all()) or self._replace(work)
            for key in self._ended(work.signing_keys.all()):
                work.signing_keys.remove(key.id)
        return found

    def _good(self, keys: Sequence[SigningKey]) -> SigningKey | None:
        oldest = self._now_ms() - MAX_AGE_MS
        return next((key for key in keys if key.retired_at is None and key.created_at > oldest), None)

    def _ended(self, keys: Sequence[SigningKey]) -> list[SigningKey]:
        last = self._now_ms() - KEPT_MS
        return [key for key in keys if key.retired_at is not None and key.retired_at < last]

    def _replace(self, work: Work) -> SigningKey:
        now = self._now_ms()
        for key in work.signing_keys.all():
            if key.retired_at is None:
                work.signing_keys.retire(key.id, now)
        made = self._new(now)
        work.signing_keys.add(made)
        return made

    def _new(self, now_ms: int) -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric import ec  # late: 30 ms that no other command pays
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        from jwt.algorithms import ECAlgorithm

        key_id = secrets.token_hex(8)
        private = ec.generate_private_key(ec.SECP256R1())
        public = {**ECAlgorithm.to_jwk(private.public_key(), as_dict=True), "use": "sig"}
        public |= {"kid": key_id, "alg": ACCESS_TOKEN_ALGORITHM}
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        sealed = self._publisher.store.sealer.seal(pem, place(key_id))
        return SigningKey(key_id, msgspec.json.encode(public), sealed, now_ms)

    def _private(self, key: SigningKey) -> Any:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        return load_pem_private_key(self._publisher.store.sealer.open(key.sealed, place(key.id)), password=None)


def place(key_id: str) -> str:
    """What the sealed private part of a key is bound to."""
    return f"signing-key {key_id}"
