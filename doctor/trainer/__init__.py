"""The reference DeepSpeed trainer: tables, texts and images, one process or several ranks.

`recipe` says how to train, `data`, `texts` and `images` read, `models` builds, `loop` trains, `jobs` trains many times.
"""
