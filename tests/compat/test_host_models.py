"""The models of a host over the API: listed, fetched with progress, deleted, and kept while an endpoint needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gguf_files import small_model
from hubs import SPEC, small_hub

from .live import ENDPOINT, MODEL, Live, wait_until

PATH = "/api/2.0/models"


def told(live: Live, **asked: Any) -> Any:
    """The document."""
    reply = live.request("GET", PATH, **asked)
    assert reply.status == 200, reply.body
    return reply.json()


def test_what_is_here(live: Live) -> None:
    """A model is listed with its facts, its state and its endpoints; one that an endpoint names cannot be deleted."""
    document = told(live)
    (model,) = document["models"]
    assert (model["name"], model["state"], model["licence"]) == (MODEL, "DEPLOYMENT_READY", "apache-2.0")
    assert ENDPOINT in model["endpoints"]
    (known,) = document["known"]
    assert (known["name"], known["present"], known["size"]) == (MODEL, True, model["size"])
    assert 0 < document["memory"]["available"] <= document["memory"]["total"]
    refused = live.request("DELETE", f"{PATH}/{MODEL}")
    assert (refused.status, refused.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert ENDPOINT in refused.json()["message"]
    assert told(live)["models"] == document["models"]


def test_a_model_is_fetched_and_deleted(tmp_path: Path) -> None:
    """Whichever worker is asked, a pull is seen to its end; what fails says why; both ends are in the audit log."""
    with small_hub(tmp_path) as environ:
        live = Live(tmp_path, "--no-default-endpoint", "--workers", "2", environ=environ)
        try:
            begun = live.request("POST", f"{PATH}/pull", {"spec": SPEC, "name": "tiny"})
            missing = live.request("POST", f"{PATH}/pull", {"spec": "hf:org/repo/none.gguf"})
            assert (begun.status, missing.status) == (200, 200), begun.body + missing.body

            def pulls() -> dict[str, Any]:
                return {each["id"]: each for each in told(live)["pulls"]}

            wait_until(lambda: all(each["state"] != "running" for each in pulls().values()), "the pulls")
            done, failed = pulls()[begun.json()["id"]], pulls()[missing.json()["id"]]
            size = len(small_model())
            assert (done["state"], done["name"], done["bytes"], done["total"]) == ("done", "tiny", size, size)
            assert failed["state"] == "failed"
            assert "could not be fetched" in failed["error"]
            (model,) = told(live)["models"]
            assert (model["name"], model["source"], model["state"], model["endpoints"]) == ("tiny", SPEC, None, [])
            for body in ({"spec": "gpt-7"}, {"spec": SPEC, "name": "a/b"}, {}):
                assert live.request("POST", f"{PATH}/pull", body).status == 400, body
            assert live.request("DELETE", f"{PATH}/tiny").status == 200
            assert live.request("DELETE", f"{PATH}/tiny").status == 404
            assert told(live)["models"] == []
            entries = live.request("GET", "/api/2.0/cloche/audit").json()["entries"]
            actions = [(each["action"], each["target"]) for each in entries]
            assert actions[:3] == [("model.delete", "tiny"), ("model.pull", "none"), ("model.pull", "tiny")]
        finally:
            live.stop()
