"""Sets of train.py's flags that belong together: --recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HANDWRITING = {
    # EMNIST's letters and digits are as frequent as on its test forms; all of MNIST beside it would make every O a 0.
    # The case of its letters comes from UNIPEN's here, and is corrected by the refinement.
    # Of each name|name the first that can be downloaded is read, and the records say which. The .npz files are made by
    # `python -m hwr prepare`; a part of EMNIST and two test sets stand in for downloads.
    "data": (
        "mnist",
        "emnist-byclass|emnist_train_part.npz",
        "unipen_train.npz",
        "unipen_symbols_train.npz",
        "optdigits_train.npz",
    ),
    "weights": (0.35, 1.0, 0.3, 0.3, 1.0),
    "test": ("mnist", "emnist-byclass|emnist_byclass_test.npz", "usps|usps_test.npz"),
    "validation": 0.1,  # of UNIPEN's writers by name: the same people in all files
    "outliers": 0.075,
    "image_size": 64,
    "epochs": 20,
    "small_size": 32,
    "small_share": 0.6,
    "ema": 0.9995,
    "mixup": 0.1,
    "degrees": 20.0,
    "shear": 0.3,
    "scale": 0.2,
    "elastic": 0.035,
    "stroke": 1.0,
    "blur": 0.4,
    "gain": 0.2,
    "occlusion": 0.15,
    "remnant": 0.1,
    "rules": 0.1,
    "dots": 0.04,
    "coarse": 0.1,
    "blobs": 0.04,
    "broken": 0.06,
    "cut": 0.04,
    "out": Path("runs/handwriting"),
}
REFINE = HANDWRITING | {  # after it, from its result, which also teaches
    "init": ("runs/handwriting",),
    "teacher": ("runs/handwriting",),
    "out": Path("runs/refined"),
    "epochs": 9,
    "small_size": 0,
    "weights": (0.5, 1.0, 0.3, 0.3, 1.0),  # MNIST needs more of itself here than it can have from scratch
    "lr": 8e-4,
    # Milder than from scratch, as in the run that made the bundled weights; it was not tried apart from its teachers.
    "outliers": 0.05,
    "mixup": 0.0,
    "elastic": 0.03,
    "occlusion": 0.08,
    "remnant": 0.06,
    "distill": 0.7,
    "case_prior": 1.0,
    "case_trust": 0.7,
    "average": True,
}
MNIST = {
    "data": ("mnist",),
    "model_args": '{"channels": [40, 80, 160, 320], "stem_width": 20}',  # 4.4 M parameters, 18 MB
    "image_size": 72,
    "epochs": 35,
    "validation": 0.02,
    "batch_size": 512,
    "ema": 0.9993,
    "keep": "last",  # 1,160 digits to validate on would choose epoch 12 of 35 for one digit (docs/decisions.md)
    "degrees": 20.0,
    "shear": 0.3,
    "scale": 0.2,
    "elastic": 0.035,
    "stroke": 1.0,
    "blur": 0.3,
    "out": Path("runs/mnist"),
}
MNIST_REFINE = MNIST | {  # after it; of several seeds, each from its own, with all of them as teachers
    "init": ("runs/mnist",),
    "teacher": ("runs/mnist",),
    "out": Path("runs/mnist-refined"),
    "model_args": "",  # those of --init
    "epochs": 5,
    "lr": 5e-4,
    "batch_size": 128,
    "ema": 0.999,
    "distill": 0.7,
}
LINES = {
    "task": "lines",
    # Digits come from the first source that has them: EMNIST's files hold digits of MNIST's test set.
    "data": (
        "unipen_words_train.npz",
        "unipen_train.npz",
        "unipen_symbols_train.npz",
        "mnist",
        "emnist-byclass|emnist_train_part.npz",
    ),
    "validation": 0.1,
    "epochs": 5,
    "batch_size": 32,
    "lr": 1.5e-3,
    "weight_decay": 0.02,
    "ema": 0.998,
    "grad_clip": 2.0,
    "out": Path("runs/reader"),
}
LINES_PERSONAL = {  # a few hundred lines of one hand
    "task": "lines",
    "init": ("bundled",),
    "validation": 0.0,  # too few to hold any out
    "epochs": 12,
    "batch_size": 16,
    "lr": 4e-4,
    "ema": 0.9,
    "drop_rate": 0.0,
    "out": Path("runs/my-lines"),
}
PERSONAL = {
    "data": (),  # to be named: nothing that ships with the project is the user's own handwriting
    "init": ("bundled",),
    "keep_labels": True,
    "finetune": "head",
    "optimizer": "lbfgs",
    "validation": 0.0,  # too few to hold any out
    "dedupe": False,
    "drop_rate": 0.0,
    "out": Path("runs/personal"),
}
RECIPES: dict[str, dict[str, Any]] = {
    "handwriting": HANDWRITING,
    "refine": REFINE,
    "mnist": MNIST,
    "mnist-refine": MNIST_REFINE,
    "lines": LINES,
    "lines-personal": LINES_PERSONAL,
    "personal": PERSONAL,
}
ABOUT = {
    "handwriting": "All 94 printable characters from scratch, from public data (python -m hwr prepare).",
    "refine": "After handwriting: from its result, which also teaches.",
    "mnist": "Digits alone, with a network of 18 MB.",
    "mnist-refine": "After mnist: from its result, which also teaches.",
    "lines": "Words and lines of writing, for the reader inside a model directory.",
    "lines-personal": "The bundled line reader learns one hand from a few hundred lines; needs --data.",
    "personal": "The bundled model learns your hand or new characters from a few pictures, in seconds; needs --data.",
}
