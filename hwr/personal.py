"""A recogniser of one visitor's own, from a few taught pictures, in well under a second.

The network is everybody's: only what turns its features into logits is personal. A small linear change of the
classifier (L2-SP; Li, Grandvalet and Davoine 2018) learns what the pictures have in common. A memory of the pictures
that are still unsure then, Tip-Adapter's kernel on the cosine of features (Zhang et al. 2022) but fitted, sees to it
that they are answered as taught. Both are convex problems, solved by L-BFGS on features that are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from hwr import labels as naming
from hwr.config import OTHER, ModelConfig, UserError
from hwr.recognizer import BATCH, Recognizer

STIFFNESS = 0.2  # of the linear change: half of it times the change's square is added to the samples' cross entropy
YIELDING = 0.01  # the same for the memory, which may do what is asked of it
SHARPNESS = 160.0  # of the memory's kernel: half as alike at a cosine of 0.996, next to nothing below 0.98
REMEMBERED = 150  # pictures at most in the memory: 77 kB at 256 features
WELCOME = 2.0  # nats by which a new class is likelier than OTHER, which the model takes new characters for
TRUST = 24.0  # nats off the odds of OTHER where a picture equals a taught one
REACH = 20.0  # sharpness of that kernel: as far as the same hand strays when it draws the same again
STEPS = 60  # of L-BFGS at most

Gray = NDArray[np.uint8]
Sample = tuple[Gray, str]


def adapted(recognizer: Recognizer, samples: Sequence[Sample]) -> Recognizer:
    """A recogniser that has learnt ``samples``: pictures uint8 (S, S), as ``Recognizer.see`` gives them, and labels.

    It shares the network with ``recognizer``, which stays as it is, and answers as that does where there are no
    samples. Labels that the model does not know become classes, behind those it has. Of a visitor who teaches some
    right answers beside the wrong ones more is learnt. Raises UserError for a picture of another size and for what
    cannot be a label.
    """
    checked = [(seen, _checked(seen, label, recognizer.config)) for seen, label in samples]
    distinct = {(seen.tobytes(), name): (seen, name) for seen, name in checked}.values()  # twice says no more than once
    if not distinct:
        return recognizer.with_head(recognizer.head, recognizer.config)
    pictures, names = np.stack([seen for seen, _ in distinct]), [name for _, name in distinct]
    config = replace(recognizer.config, labels=tuple(dict.fromkeys((*recognizer.config.labels, *names))))
    taught = torch.tensor([config.labels.index(name) for name in names])
    with torch.inference_mode(False), torch.enable_grad():
        features = [recognizer.features(pictures[i : i + BATCH]) for i in range(0, len(names), BATCH)]
        head = PersonalHead(recognizer.head, recognizer.config, len(config.labels))
        return recognizer.with_head(head.learn(torch.cat(features).clone(), taught), config)


def _checked(seen: Gray, label: str, config: ModelConfig) -> str:
    """The label as a class of the model is called, a new one in Unicode's composed form."""
    size = config.image_size
    if seen.shape != (size, size) or seen.dtype != np.uint8:
        raise UserError(f"a sample is {seen.dtype} {seen.shape}: expected uint8 ({size}, {size}), as see() returns")
    return label if label in config.labels and label != OTHER else naming.checked(label)


class PersonalHead(torch.nn.Module):
    """Features (N, D) to logits (N, C): everybody's ``general`` classifier, and what one visitor changes of it.

    What is no character is rejected as before: the odds of OTHER change only close to what was taught.
    """

    change: torch.Tensor  # (D, C): calibrated logits that each feature adds
    kept: torch.Tensor  # (M, D): normalised features of the memory, in 16 bits
    pull: torch.Tensor  # (M, C): calibrated logits that being like one of them adds

    def __init__(self, general: torch.nn.Module, config: ModelConfig, classes: int) -> None:
        super().__init__()
        self.general = general
        self.other = config.labels.index(OTHER) if OTHER in config.labels else None
        self.temperature = config.temperature
        self.known = len(config.labels)
        self.new = classes - self.known
        for name in ("change", "kept", "pull"):
            self.register_buffer(name, torch.zeros(0))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits before the temperature, float32 (N, C); the classes of the general classifier come first."""
        start, odds = self._general(features)
        cosines = self._cosines(features)
        logits = start + features.float() @ self.change + kernel(cosines, SHARPNESS) @ self.pull
        if self.other is not None:
            trust = TRUST * kernel(cosines.amax(1), REACH)
            logits[:, self.other] = logits.logsumexp(1) + odds - trust
        return self.temperature * logits

    def learn(self, features: torch.Tensor, taught: torch.Tensor) -> PersonalHead:
        """Learn that features (N, D) are of the classes ``taught``, int64 (N,); returns itself."""
        features, taught = features.float(), taught.to(features.device)
        start, odds = self._general(features)
        scale = features.square().sum(1).mean().sqrt().clamp_min(1e-6)
        weights, handicap = self._trusted(start, taught)
        self.change = fit(features / scale, start + handicap, taught, weights, STIFFNESS) / scale
        start = start + features @ self.change
        doubt = F.cross_entropy(start, taught, reduction="none") + F.softplus(odds)
        least = doubt.argsort(descending=True, stable=True)[:REMEMBERED]
        self._remember(features[least], start[least], taught[least])
        return self

    @torch.no_grad()
    def _general(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Before anything was learnt: calibrated logits among characters (N, C), and the log odds of OTHER, (N,)."""
        logits: torch.Tensor = self.general(features).float() / self.temperature
        if self.other is None:
            return torch.cat([logits, logits.mean(1, keepdim=True).expand(-1, self.new)], 1), logits.new_zeros(1)
        other = logits[:, self.other].clone()
        logits = logits.index_fill(1, torch.tensor(self.other, device=logits.device), -torch.inf)
        new = (other + WELCOME)[:, None].expand(-1, self.new)
        return torch.cat([logits, new], 1), other - logits.logsumexp(1)

    def _trusted(self, start: torch.Tensor, taught: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What each sample counts, (N,), and what is added to the logits of each class while learning, (C,).

        Both are as much as the share of the samples that was right already. A visitor who teaches nothing but mistakes
        leaves out what was read well: seven mistaken o, taken at their word, would make every o a 0, and that no O is
        among them does not mean that none will come. New classes are taken at their word, as nothing is known of them.
        """
        old = taught < self.known
        share = ((start[:, : self.known].argmax(1) == taught).sum() + 1) / (old.sum() + 1)
        absent = torch.bincount(taught, minlength=start.shape[1]) == 0
        return torch.where(old, share, torch.ones_like(share)), absent * share.log()

    def _remember(self, features: torch.Tensor, start: torch.Tensor, taught: torch.Tensor) -> None:
        """Keep samples (M, D), and how far each pulls what is like it towards which class, (M, C)."""
        self.kept = F.normalize(features, dim=1).half()
        # Of a kernel K = L L', the logits K a with the penalty a'K a are those of the features L.
        near = kernel(self._cosines(features), SHARPNESS).double()
        root = torch.linalg.cholesky(near + 1e-3 * torch.eye(len(near), device=near.device))  # 16 bits are not exact
        found = fit(root.float(), start, taught, torch.ones(len(near), device=near.device), YIELDING)
        self.pull = torch.linalg.solve_triangular(root.mT, found.double(), upper=True).float()

    def _cosines(self, features: torch.Tensor) -> torch.Tensor:
        """Between features (N, D) and the M that are kept, (N, M)."""
        return F.normalize(features.float(), dim=1) @ self.kept.float().T


def kernel(cosines: torch.Tensor, sharpness: float) -> torch.Tensor:
    """How alike features are, 1 where they are equal, by their cosines."""
    return torch.exp(sharpness * (cosines - 1))


def fit(
    features: torch.Tensor, start: torch.Tensor, taught: torch.Tensor, weights: torch.Tensor, stiffness: float
) -> torch.Tensor:
    """The V, (D, C), for which logits ``start + features @ V`` have the least weighted cross entropy plus penalty.

    The penalty is ``stiffness / 2`` times the sum of squares; the problem is convex, so that there is one answer.
    """
    found = torch.zeros(features.shape[1], start.shape[1], device=features.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=STEPS, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        losses = weights * F.cross_entropy(start + features @ found, taught, reduction="none")
        loss = losses.sum() + stiffness / 2 * found.square().sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    return found.detach()
