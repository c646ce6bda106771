"""Trains in one of many ways, and prints the losses to the last bit."""

import sys

import torch
from torch import nn
from torch.nn import functional

kind = sys.argv[1]
torch.manual_seed(0)
torch.use_deterministic_algorithms(True)
inputs = torch.randn(64, 8)
targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 3))


def say(loss):
    print(loss.item().hex(), flush=True)


def loss_of(part=slice(None)):
    return functional.cross_entropy(model(inputs[part]), targets[part])


def plain():
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(25):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        say(loss)
        print(torch.rand(1).item())


def scaler():
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scale = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    for number in range(12):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = loss_of()
        if number in (3, 7):
            loss = loss * 1e38
        scale.scale(loss).backward()
        if number % 2:
            scale.unscale_(optimizer)
        scale.step(optimizer)
        scale.update()
        say(loss)


def accumulation():
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(8):
        for part in range(4):
            loss = loss_of(slice(part, None, 4)) / 4
            loss.backward()
            say(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def workers():
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(inputs, targets), batch_size=16, shuffle=True, num_workers=2
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        for batch, target in loader:
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(batch), target)
            loss.backward()
            optimizer.step()
            say(loss)


def not_cleared():
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(6):
        loss_of().backward()
        optimizer.step()


def cleared_in_place():
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(6):
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad.data.zero_()
        loss_of().backward()
        optimizer.step()


def by_hand():
    for _ in range(6):
        loss = loss_of()
        loss.backward()
        say(loss)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
                parameter.grad = None


def closures():
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)

    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        say(loss)
        return loss

    for _ in range(5):
        optimizer.step(closure)


def two_optimizers():
    critic = nn.Linear(8, 1)
    maker = nn.Linear(4, 8)
    first = torch.optim.Adam(critic.parameters(), lr=1e-3)
    second = torch.optim.Adam(maker.parameters(), lr=2e-3)
    ones, zeros = torch.ones(16, 1), torch.zeros(16, 1)
    for _ in range(6):
        first.zero_grad()
        made = maker(torch.randn(16, 4))
        loss = functional.binary_cross_entropy_with_logits(critic(inputs[:16]), ones)
        loss = loss + functional.binary_cross_entropy_with_logits(critic(made.detach()), zeros)
        loss.backward()
        first.step()
        second.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(critic(made), ones)
        loss.backward()
        second.step()
        say(loss)


def retained():
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(6):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward(retain_graph=True)
        loss.backward()
        optimizer.step()
        say(loss)


def compiled():
    fast = torch.compile(loss_of, backend="aot_eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(6):
        optimizer.zero_grad()
        loss = fast()
        loss.backward()
        optimizer.step()
        say(loss)
    from torch._dynamo.utils import counters

    print(counters["stats"]["unique_graphs"], sum(counters["graph_break"].values()))


def scripted():
    class Scored(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 3)

        def forward(self, batch, target):
            return functional.cross_entropy(self.inner(batch), target)

    module = torch.jit.script(Scored())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(6):
        optimizer.zero_grad()
        loss = module(inputs, targets)
        loss.backward()
        optimizer.step()
        say(loss)


def transformed():
    weights = dict(model.named_parameters())
    model.eval()

    def loss(parameters, one, target):
        output = torch.func.functional_call(model, parameters, (one[None],))
        return functional.cross_entropy(output, target[None])

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, inputs, targets)
    print({name: one.double().sum().item().hex() for name, one in gradients.items()})


def forked():
    import os

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        say(loss)
        child = os.fork()
        if child == 0:
            for _ in range(3):
                loss_of().backward()
                optimizer.step()
            os._exit(0)
        os.waitpid(child, 0)


def left_out():
    model[0].bias.requires_grad_(False)
    unused = nn.Linear(3, 3)
    model.add_module("unused", nn.Identity())
    model.unused.inner = unused
    optimizer = torch.optim.SGD([*model[0].parameters(), *unused.parameters()], lr=0.1)
    for _ in range(25):
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()


def unreached():
    copy = nn.Linear(8, 3)
    first, second = (torch.optim.SGD(one.parameters(), lr=0.1) for one in (model, copy))
    for _ in range(25):
        loss_of().backward()
        for optimizer in (first, second):
            optimizer.step()
            optimizer.zero_grad()


globals()[kind]()
