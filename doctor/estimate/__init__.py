"""How much memory a training will take, foretold from its model and its configuration.

What a model is comes from one of two roads: `tracking` builds it in a process of its own on tensors without storage, or
`shapes` and `formulas` count it from a handful of numbers. From there on `states`, `peak` and `changes` are the same.
"""
