"""Starts TensorZero's embedded gateway inside its own virtual environment; knows nothing of the harness.

The gateway is Rust, in the PyPI wheel, and picks its port itself: it is told to the harness through a file.
Arguments: the gateway's configuration, and the file to write its base URL to.
"""

import importlib
import pathlib
import sys
import threading

if __name__ == "__main__":
    configuration, url_file = sys.argv[1:]
    gateway = importlib.import_module("tensorzero.tensorzero")._start_http_gateway(
        config_file=configuration, clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
    )
    pathlib.Path(url_file).write_text(gateway.base_url)
    threading.Event().wait()
