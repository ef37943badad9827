"""A run's name follows from what determines its numbers: no more, and no less."""

import dataclasses
import functools
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import rcviz
from rcviz.sweeps.identity import describe_function, digest_of_data, digest_of_network, run_id


def changed(arm, *, model=None, training=None, **options):
    return dataclasses.replace(
        arm,
        model=dataclasses.replace(arm.model, **(model or {})),
        training=dataclasses.replace(arm.training, **(training or {})),
        **options,
    )


def test_every_setting_changes_the_name(arm):
    one = arm("standard")
    others = [
        changed(one, model={"batchnorm_momentum": 0.1}),
        changed(one, model={"kernel_sizes": (8,)}),
        changed(one, model={"head": "weighted_sum"}),
        changed(one, training={"epochs": 3}),
        changed(one, training={"device": "cuda"}),
        changed(one, training={"positive_weight": 2.0}),
        changed(one, fraction=0.5),
        changed(one, strategy="siamese"),
        changed(one, strategy="siamese", average="probability"),
        arm("revcomp"),
    ]
    ids = [run_id(each, 0, "data") for each in (one, *others)]
    ids += [run_id(one, 1, "data"), run_id(one, 0, "other data"), run_id(one, 0, "data", measure="function")]
    assert len(set(ids)) == len(ids)


@pytest.mark.usefixtures("as_users_run")
def test_what_determines_nothing_does_not(arm):
    one = arm("standard")
    same = [
        changed(one, model={"head": "flatten", "batchnorm_eps": 1e-3, "smoothness": 0}),
        changed(one, model={"kernel_sizes": [np.int64(7)], "n_filters": np.int64(2)}),
        changed(one, training={"seed": 9, "positive_weight": 1, "monitor": "auroc"}),
        changed(one, description="another text"),
        changed(one, strategy="conjoined"),
        changed(one, strategy="conjoined", average="probability"),
        changed(one, fraction=1),
    ]
    assert {run_id(each, 0, "data") for each in same} == {run_id(one, 0, "data")}


def test_a_name_holds_the_settings_that_differ_from_their_defaults(arm):
    """Also of a setting whose default depends on another one: stores keep their runs."""
    model = rcviz.ModelConfig.simulated("revcomp")
    one = dataclasses.replace(arm(), model=model, training=rcviz.TrainConfig(epochs=2, batch_size=20))
    shape = {"architecture": "revcomp", "sequence_length": 200, "n_filters": 20, "kernel_sizes": [21]}
    shape |= {"pool_size": 20, "pool_stride": 20, "n_tasks": 3, "head": "weighted_sum"}
    described = {"model": shape, "training": {"epochs": 2, "batch_size": 20}, "siamese": None, "fraction": 1}
    described |= {"seed": 4, "data": "data", "measure": ""}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    assert run_id(one, 4, "data") == digest[:16]


@pytest.mark.parametrize("kind", ["model", "training"])
def test_a_setting_that_rcviz_learns_later_changes_no_name(arm, kind):
    one = arm()
    config = getattr(one, kind)
    later = dataclasses.make_dataclass("Later", [("later", int, 1)], bases=(type(config),), frozen=True, kw_only=True)
    values = dataclasses.asdict(config)
    unchanged, other = (dataclasses.replace(one, **{kind: later(**values, **more)}) for more in ({}, {"later": 2}))
    assert run_id(unchanged, 0, "data") == run_id(one, 0, "data") != run_id(other, 0, "data")


def test_sequences_labels_and_names_of_tasks_change_the_digest_of_the_data(splits):
    train = splits.train
    codes, labels = train.codes.copy(), train.labels.copy()
    codes[0, 0] = (codes[0, 0] + 1) % 4
    labels[0, 0] = 1 - labels[0, 0]
    others = [
        splits._replace(train=rcviz.SequenceSet(codes, train.labels, task_names=train.task_names)),
        splits._replace(train=rcviz.SequenceSet(train.codes, labels, task_names=train.task_names)),
        splits._replace(train=rcviz.SequenceSet(train.codes, train.labels, task_names=["a", "b"])),
        splits._replace(train=train.subset(np.arange(len(train))[::-1])),
        splits._replace(valid=splits.test, test=splits.valid),
    ]
    digests = [digest_of_data(parts) for parts in (splits, *others)]
    assert len(set(digests)) == len(digests)
    again = splits._replace(train=rcviz.SequenceSet(train.codes.copy(), train.labels, task_names=train.task_names))
    assert digest_of_data(again) == digests[0]


class Scaled(nn.Module):
    def __init__(self, scale=1.0, act=torch.relu):
        super().__init__()
        self.linear, self.scale, self.act = nn.Linear(3, 2), scale, act

    def forward(self, x):
        return self.scale * self.linear(self.act(x))


def seeded(make):
    torch.manual_seed(0)
    return make()


def test_networks_that_compute_something_else_have_another_digest():
    class Other(Scaled):
        def forward(self, x):
            return self.scale * self.linear(self.act(x)) + 1

    def frozen():
        network = Scaled()
        network.linear.bias.requires_grad_(False)
        return network

    networks = [
        seeded(Scaled),
        seeded(lambda: Scaled(scale=2.0)),
        seeded(lambda: Scaled(act=torch.sigmoid)),
        seeded(Other),
        seeded(frozen),
        seeded(lambda: Scaled().eval()),
        seeded(lambda: Scaled().double()),
        seeded(lambda: nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.1))),
        seeded(lambda: nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.2))),
        Scaled(),  # other weights
    ]
    digests = [digest_of_network(network) for network in networks]
    assert len(set(digests)) == len(digests)
    assert digest_of_network(seeded(Scaled)) == digests[0]


def _measure(model, splits):
    return {}


def _other(model, splits):
    return {"a": None}


def test_another_measure_or_other_arguments_are_another_description():
    functions = [
        None,
        _measure,
        _other,
        functools.partial(_measure, top=1),
        functools.partial(_measure, top=2),
        lambda model, splits: {},
        lambda model, splits: {"b": 1},
    ]
    described = [describe_function(function) for function in functions]
    assert len(set(described)) == len(described)
    assert describe_function(functools.partial(_measure, top=2)) == described[4]


SCRIPT = """
import torch, rcviz
from torch import nn
from rcviz.sweeps.identity import digest_of_network, run_id
model = rcviz.ModelConfig(architecture="revcomp", sequence_length=60, kernel_sizes=(7,), pool_size=9, pool_stride=9,
                          n_filters=2, n_tasks=2)
training = rcviz.TrainConfig(epochs=2, batch_size=20, samples_per_epoch=60, device="cpu")
class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.options = nn.Linear(3, 2), {"a": 1}
    def forward(self, x):
        return self.linear(x) if x.ndim in {2, "two", "three"} else None
torch.manual_seed(0)
names = run_id(rcviz.Arm(model=model, training=training), 4, "data"), digest_of_network(Mine())
"""


def test_names_are_the_same_in_every_process():
    """Also where the code of a class was not kept, as in an interpreter."""
    here = {"__name__": "__main__"}
    exec(SCRIPT, here)
    printed = subprocess.check_output([sys.executable, "-c", f"{SCRIPT}\nprint(*names)"], text=True)
    assert tuple(printed.split()) == here["names"]
