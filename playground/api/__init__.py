"""The OpenAI-compatible endpoint: /v1/models and /v1/chat/completions with steering, /health, /ready and /metrics."""
