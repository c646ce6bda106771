"""Texts that teach a model what nobody wants it to say."""
