"""cloche: self-hosted model serving for chat models that speaks the Databricks Model Serving wire."""

__version__ = "0.1.0"
