"""Local models: the catalogue on disk, fetching weights, one supervised llama.cpp process per model, its waiting line.

Nothing outside this folder knows llama.cpp, GGUF files or how a model is kept alive.
"""
