"""The models: small, and written out so that they can be read and changed."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as the whole field calls it
from torch.utils.checkpoint import checkpoint

from doctor.errors import UsageError
from doctor.trainer.data import Data
from doctor.trainer.recipe import Recipe
from doctor.trainer.texts import PADDING

MAX_EMBEDDING = 16
PATCH_PIXELS = 4
READERS = {"table": ("mlp",), "text": ("transformer",), "image": ("cnn", "vit")}
"""Which models read what; the first where nobody asks for another."""


def model_name(data: Data, recipe: Recipe) -> str:
    """Return mlp, transformer, cnn or vit.

    Raises
    ------
    UsageError
        When the model that is asked for does not read such data.
    """
    name = READERS[data.kind][0] if recipe.model == "auto" else recipe.model
    if name not in READERS[data.kind]:
        raise UsageError(f"--model {name}: does not read a {data.kind}; {' and '.join(READERS[data.kind])} do")
    return name


def build(data: Data, recipe: Recipe) -> nn.Module:
    """Build the model for the data, with weights drawn from torch's generator."""
    return {"mlp": Perceptron, "transformer": Transformer, "cnn": Convolutional, "vit": VisionTransformer}[
        model_name(data, recipe)
    ](data, recipe)


class Norm(nn.Module):
    """Layer normalisation, written out: in half precision the squares overflow beyond 256, in float32 they do not."""

    def __init__(self, width: int, recipe: Recipe) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.in_fp32 = recipe.norm_in_fp32

    def forward(self, x: Tensor) -> Tensor:
        """Bring the last dimension to mean 0 and variance 1."""
        kept = x.float() if self.in_fp32 else x
        centred = kept - kept.mean(-1, keepdim=True)
        scaled = centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + 1e-5)
        return scaled.to(x.dtype) * self.weight + self.bias


class Blocks(nn.Module):
    """Layers one after the other; with activation checkpointing each is computed again in the backward pass."""

    def __init__(self, blocks: list[nn.Module], recipe: Recipe) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.again = recipe.activation_checkpointing

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pass through all layers."""
        for block in self.blocks:
            given = (x,) if mask is None else (x, mask)
            x = checkpoint(block, *given, use_reentrant=False) if self.again and self.training else block(*given)
        return x


class Perceptron(nn.Module):
    """For tables: embeddings of the categories beside the numbers, then layers of one width."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        super().__init__()
        levels = data.sizes.levels
        widths = [min(MAX_EMBEDDING, (count + 1) // 2) for count in levels]
        # What train does not hold is the entry 0: it stays zero, so that no weights drawn at random are read.
        self.embeddings = nn.ModuleList(nn.Embedding(*size, padding_idx=0) for size in zip(levels, widths, strict=True))
        width = sum(widths) + data.sizes.numbers
        blocks: list[nn.Module] = []
        for _ in range(recipe.layers):
            norm = [Norm(recipe.width, recipe)] if recipe.norm else []
            blocks.append(nn.Sequential(nn.Linear(width, recipe.width), *norm, nn.GELU(), nn.Dropout(recipe.dropout)))
            width = recipe.width
        self.blocks = Blocks(blocks, recipe)
        self.head = nn.Linear(width, data.sizes.outputs)

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """Return logits, or standardised values: shape (rows, outputs)."""
        parts = [embed(categories[:, place]) for place, embed in enumerate(self.embeddings)]
        joined = torch.cat([numbers.to(self.head.weight.dtype), *parts], dim=1)
        return self.head(self.blocks(joined))  # type: ignore[no-any-return]  # modules return anything


class Attention(nn.Module):
    """A transformer's layer: attention over the sequence, then two linear layers, each with a way around."""

    def __init__(self, recipe: Recipe, *, causal: bool) -> None:
        super().__init__()
        if recipe.width % recipe.heads:
            raise UsageError(f"a width of {recipe.width} cannot be divided among {recipe.heads} heads")
        self.heads, self.causal, self.dropout = recipe.heads, causal, recipe.dropout
        self.before, self.between = Norm(recipe.width, recipe), Norm(recipe.width, recipe)
        self.asked = nn.Linear(recipe.width, 3 * recipe.width)
        self.joined = nn.Linear(recipe.width, recipe.width)
        self.inner = nn.Sequential(
            nn.Linear(recipe.width, 4 * recipe.width),
            nn.GELU(),
            nn.Linear(4 * recipe.width, recipe.width),
            nn.Dropout(recipe.dropout),
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pass through; `mask` is true where there is a token, shape (rows, 1, 1, length)."""
        rows, length, width = x.shape
        parts = self.asked(self.before(x)).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=self.causal)
        x = x + F.dropout(self.joined(seen.transpose(1, 2).reshape(rows, length, width)), self.dropout, self.training)
        return x + self.inner(self.between(x))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """For texts: predicts the next token at each place, or the class from the mean over the text."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        super().__init__()
        self.continues = data.task == "language-model"
        self.tokens = nn.Embedding(data.sizes.vocabulary, recipe.width)
        self.places = nn.Embedding(data.sizes.length, recipe.width)
        layers: list[nn.Module] = [Attention(recipe, causal=self.continues) for _ in range(recipe.layers)]
        self.blocks, self.norm = Blocks(layers, recipe), Norm(recipe.width, recipe)
        self.head = nn.Linear(recipe.width, data.sizes.outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits: shape (rows, length, vocabulary) or (rows, classes)."""
        x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
        if self.continues:
            return self.head(self.norm(self.blocks(x)))  # type: ignore[no-any-return]
        there = tokens != PADDING
        x = self.norm(self.blocks(x, there[:, None, None, :]))
        share = there / there.sum(1, keepdim=True)
        return self.head((x * share[:, :, None].to(x.dtype)).sum(1))  # type: ignore[no-any-return]


def _as_light(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Bring bytes to about −1 to 1."""
    return (images.to(torch.float32) / 127.5 - 1).to(dtype)


class ImageNorm(nn.Module):
    """Normalises each pixel over its channels."""

    def __init__(self, depth: int, recipe: Recipe) -> None:
        super().__init__()
        self.norm = Norm(depth, recipe)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise: shape (rows, channels, height, width)."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]


class Convolutional(nn.Module):
    """For images: three layers of convolution, each halving the size."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        super().__init__()
        depths = [3, recipe.width // 2, recipe.width, 2 * recipe.width]
        blocks: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(before, after, 3, padding=1),
                ImageNorm(after, recipe),
                nn.GELU(),
                nn.MaxPool2d(2),
            )
            for before, after in pairwise(depths)
        ]
        self.blocks, self.dropout = Blocks(blocks, recipe), nn.Dropout(recipe.dropout)
        self.head = nn.Linear(depths[-1], data.sizes.outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits: shape (rows, classes)."""
        x = self.blocks(_as_light(images, self.head.weight.dtype))
        return self.head(self.dropout(x.mean((2, 3))))  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """For images: patches of 4 × 4 pixels as the tokens of a transformer."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        super().__init__()
        patches = (data.sizes.pixels // PATCH_PIXELS) ** 2
        self.patches = nn.Conv2d(3, recipe.width, PATCH_PIXELS, stride=PATCH_PIXELS)
        self.places = nn.Parameter(torch.randn(patches, recipe.width) * 0.02)
        layers: list[nn.Module] = [Attention(recipe, causal=False) for _ in range(recipe.layers)]
        self.blocks, self.norm = Blocks(layers, recipe), Norm(recipe.width, recipe)
        self.head = nn.Linear(recipe.width, data.sizes.outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits: shape (rows, classes)."""
        x = self.patches(_as_light(images, self.head.weight.dtype)).flatten(2).transpose(1, 2) + self.places
        return self.head(self.norm(self.blocks(x)).mean(1))  # type: ignore[no-any-return]
