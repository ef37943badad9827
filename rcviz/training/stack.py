"""Several models of one architecture as one: what each stores lies along a first axis, and torch.func maps over it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from rcviz.models.runtime import exact_arithmetic, model_lock
from rcviz.training.config import TrainConfig
from rcviz.training.epoch import logits_and_loss


class Learner(nn.Module):
    """A model whose forward pass gives logits and, where there are targets, the loss: torch.func calls nothing else."""

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(
        self, x: Float[Tensor, "batch 4 length"], targets: Float[Tensor, "batch tasks"] | None = None
    ) -> tuple[Float[Tensor, "batch tasks"], Float[Tensor, ""] | None]:
        """Compute both."""
        if targets is None:
            return self.model(x).reshape(len(x), -1), None
        return logits_and_loss(self.model, x, targets, self.config)

    def stored(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, the tensors themselves."""
        return {name: tensor.detach() for name, tensor in (*self.named_parameters(), *self.named_buffers())}


@dataclass(frozen=True)
class Stack:
    """Learners that take every step together, each with its own samples.

    Adam works number by number, so that one for the stack is one for each.

    Attributes
    ----------
    learners : list of Learner
        Whose weights these are; they stay as they are until :meth:`hand_back`.
    skeleton : Learner
        Lends its forward pass. It has no numbers (it is on the meta device) and its mode is its own.
    parameters, buffers, best : dict of Tensor (models, ...)
        What is trained, what moves beside it, and both as they were when each was best.
    optimizer : Adam
        Of those parameters that learn.
    """

    learners: list[Learner]
    skeleton: Learner
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: torch.optim.Adam

    @classmethod
    def of(cls, learners: Sequence[Learner]) -> "Stack":
        """Copy the weights of ``learners``, on one device, into a stack."""
        parameters, buffers = stack_module_state(list(learners))
        best = {name: tensor.detach().clone() for name, tensor in (parameters | buffers).items()}
        skeleton = copy.deepcopy(learners[0]).to("meta")
        return cls(list(learners), skeleton, parameters, buffers, best, _adam(parameters, skeleton.config))

    def learn(
        self, x: Float[Tensor, "models batch 4 length"], targets: Float[Tensor, "models batch tasks"]
    ) -> tuple[Float[Tensor, "models batch tasks"], Float[Tensor, " models"]]:
        """Take one step; logits and losses are those before it."""
        with exact_arithmetic():
            logits, losses = self.compute(x, targets)
            self.optimizer.zero_grad(set_to_none=True)
            losses.sum().backward()
            self.optimizer.step()
        return logits.detach(), losses.detach()

    def compute(
        self, x: Float[Tensor, "models batch 4 length"], targets: Float[Tensor, "models batch tasks"]
    ) -> tuple[Float[Tensor, "models batch tasks"], Float[Tensor, " models"]]:
        """Logits and losses of every model for its own batch, in training mode: buffers move."""
        self.skeleton.train()
        return vmap(lambda *given: functional_call(self.skeleton, given[:2], given[2:]))(
            self.parameters, self.buffers, x, targets
        )

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "models batch tasks"]:
        """Logits of every model for the same sequences, in evaluation mode."""
        self.skeleton.eval()
        with exact_arithmetic():
            return vmap(lambda *state: functional_call(self.skeleton, state, x)[0])(self.parameters, self.buffers)

    @torch.no_grad()
    def remember(self, rows: Sequence[int]) -> None:
        """Keep the weights of these models as their best."""
        index = self._index(rows)
        for name, tensor in (self.parameters | self.buffers).items():
            self.best[name][index] = tensor[index]

    def hand_back(self) -> None:
        """Give every model its best weights."""
        for row, learner in enumerate(self.learners):
            with model_lock(learner.model):
                for name, tensor in learner.stored().items():
                    tensor.copy_(self.best[name][row])

    @torch.no_grad()
    def only(self, rows: Sequence[int]) -> "Stack":
        """Make a stack of these models alone, which goes on where this one is."""
        index = self._index(rows)
        parameters = {
            name: tensor[index].requires_grad_(tensor.requires_grad) for name, tensor in self.parameters.items()
        }
        buffers, best = ({name: tensor[index] for name, tensor in of.items()} for of in (self.buffers, self.best))
        optimizer = _adam(parameters, self.skeleton.config)
        for name, tensor in self.parameters.items():
            if moments := self.optimizer.state.get(tensor):  # the count of steps, without an axis, is everyone's
                optimizer.state[parameters[name]] = {
                    key: value[index] if value.ndim else value for key, value in moments.items()
                }
        return Stack([self.learners[row] for row in rows], self.skeleton, parameters, buffers, best, optimizer)

    def _index(self, rows: Sequence[int]) -> Tensor:
        return torch.tensor(rows, dtype=torch.long, device=next(iter(self.best.values())).device)


def _adam(parameters: dict[str, Tensor], config: TrainConfig) -> torch.optim.Adam:
    return torch.optim.Adam([tensor for tensor in parameters.values() if tensor.requires_grad], lr=config.learning_rate)
