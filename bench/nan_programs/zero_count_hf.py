"""HF Trainer with a loss of one's own: the mean over tokens that count, of which one batch has none."""

import tempfile

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(12, 8)
        self.tag = nn.Linear(8, 4)

    def forward(self, tokens, labels=None):
        return {"logits": self.tag(self.embed(tokens))}


class Sentences(Dataset):
    def __init__(self):
        torch.manual_seed(11)
        self.tokens = torch.randint(0, 12, (32, 5))
        self.labels = torch.randint(0, 4, (32, 5))
        self.labels[16:20] = -100

    def __len__(self):
        return 32

    def __getitem__(self, index):
        return {"tokens": self.tokens[index], "labels": self.labels[index]}


class TagTrainer(Trainer):
    def _get_train_sampler(self, *args):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"]
        logits = model(**inputs)["logits"]
        each = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none")
        loss = each.sum() / (labels != -100).sum()  # origin: div
        return (loss, logits) if return_outputs else loss


with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=4,
        num_train_epochs=1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        remove_unused_columns=False,
    )
    TagTrainer(model=Tagger(), args=arguments, train_dataset=Sentences()).train()
