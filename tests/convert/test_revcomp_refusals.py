"""to_revcomp: networks that it cannot convert are refused by the name of the part, with what to do."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rcviz


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.rnn, self.out = nn.Conv1d(4, 6, 3), nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 1)

    def forward(self, x):
        return self.out(self.rnn(self.conv(x).transpose(1, 2))[0][:, -1])


class Bidirectional(Recurrent):
    def forward(self, x):
        y, _ = self.rnn(self.conv(x))
        return self.out(y)


class Shortcut(Recurrent):
    def forward(self, x):
        y = self.conv(x)
        return self.out((y + torch.relu(y)).mean(2))


class Twice(Recurrent):
    def forward(self, x):
        return self.out(self.conv(self.conv(x)).mean(2))


class Deciding(Recurrent):
    def forward(self, x):
        return self.conv(x) if x.sum() > 0 else self.conv(-x)


class Halves(Recurrent):
    def forward(self, x):
        return self.conv(x).chunk(2, dim=1)


class Dropping(Recurrent):
    def forward(self, x):
        return F.dropout(self.conv(x), 0.5)


class Whole(Recurrent):
    def forward(self, x):
        return self.out(torch.flatten(self.conv(x)))


def conv(*rest, **settings):
    return lambda: nn.Sequential(nn.Conv1d(4, 6, 4, **settings), *rest)


def shared():
    twice = nn.Conv1d(4, 4, 3)
    return nn.Sequential(twice, nn.ReLU(), twice)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Recurrent, ("Recurrent", "transpose", "RevCompConjoined")),
        (Bidirectional, (r"rnn \(LSTM\)", "one direction", "RevCompConjoined")),
        (lambda: nn.Sequential(nn.LSTM(4, 2)), (r"0 \(LSTM\)", "RevCompConjoined")),
        (Shortcut, ("Shortcut", "add", "branches")),
        (Twice, ("conv and conv", "used twice", r"copy\.deepcopy")),
        (shared, ("0 and 2", "used twice")),
        (Deciding, ("Deciding", r"torch\.fx")),
        (Halves, ("Halves",)),
        (Dropping, ("Dropping", "dropout")),
        (Whole, (r"flatten \(Flatten\)", r"nn\.Flatten\(\)")),
        (lambda: nn.Sequential(nn.Conv1d(5, 2, 3)), (r"0 \(Conv1d\)", "even number of channels, got 5")),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(35, 2), nn.Linear(2, 1)), ("even number", "35")),
        (conv(padding="same"), (r"0 \(Conv1d\)", "even effective width")),
        (conv(padding=2, padding_mode="circular"), ("circular", "zeros")),
        (conv(groups=2), ("groups=2",)),
        (conv(nn.MaxPool1d(4)), ("1 ", "RevCompMaxPool1d", "length 20", "17 positions", "16 or 20")),
        (conv(nn.MaxPool1d(3, padding=1)), (r"1 \(MaxPool1d\)", "padding")),
        (conv(nn.LayerNorm(17)), (r"1 \(LayerNorm\)", "counterpart")),
        (conv(nn.PReLU(6)), (r"1 \(PReLU\)", "counterpart")),
        (conv(nn.BatchNorm1d(6, track_running_stats=False)), (r"1 \(BatchNorm1d\)", "running statistics")),
        (conv(nn.BatchNorm1d(6, momentum=None)), (r"1 \(BatchNorm1d\)", "momentum")),
        (conv(nn.Linear(17, 2)), (r"1 \(Linear\)", r"nn\.Flatten\(\)")),
        (conv(nn.Flatten(0)), (r"1 \(Flatten\)", r"nn\.Flatten\(\)")),
        (conv(nn.Flatten(), nn.Conv1d(6, 2, 3)), (r"2 \(Conv1d\)", "flattening")),
        (conv(nn.Flatten(), nn.MaxPool1d(2)), (r"2 \(MaxPool1d\)", "flattening")),
        (conv(nn.Flatten(), nn.AdaptiveMaxPool1d(1)), (r"2 \(AdaptiveMaxPool1d\)", "flattening")),
        (conv(nn.Flatten(), nn.Dropout1d(0.2)), (r"2 \(Dropout1d\)", r"nn\.Dropout")),
        (conv(nn.Flatten(), nn.Linear(90, 2)), ("RevCompLinear", "length 20", "180")),
        (lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Conv1d(4, 2, 3)), (r"0 \(BatchNorm1d\)", "before the first")),
        (lambda: nn.Sequential(rcviz.WeightedSum1d(4, 20, revcomp=False)), ("WeightedSum1d", "before the first")),
        (lambda: nn.Sequential(rcviz.RevCompConv1d(4, 2, 3)), (r"0 \(RevCompConv1d\)", "already")),
        (conv(rcviz.WeightedSum1d(6, 17)), ("WeightedSum1d", "already")),
        (lambda: nn.Sequential(nn.ReLU()), ("neither a convolution nor a dense layer",)),
    ],
)
def test_what_cannot_be_converted_is_named(network, words):
    with pytest.raises(ValueError, match="(?s)" + "".join(f"(?=.*{word})" for word in words)):
        rcviz.to_revcomp(network(), length=20)


@pytest.mark.usefixtures("as_users_run")
def test_without_a_length_a_ragged_edge_is_refused_when_called():
    model = rcviz.to_revcomp(conv(nn.MaxPool1d(4))()).model
    assert model(torch.zeros(1, 4, 19)).shape == (1, 12, 4)
    with pytest.raises(ValueError, match="the two strands would be pooled differently"):
        model(torch.zeros(1, 4, 20))
    with pytest.raises(ValueError, match="length must be at least 1"):
        rcviz.to_revcomp(conv()(), length=0)
