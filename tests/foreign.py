"""Networks of other people: built from torch alone, with functions, tuples, dicts and shared modules."""

import torch
import torch.nn.functional as F
from torch import nn


class ProfileAndCounts(nn.Module):
    """Dilated residual convolutions, a profile and a count, as bpnet-lite has them; one ReLU for all."""

    def __init__(self, n_filters=5, n_layers=2):
        super().__init__()
        self.iconv = nn.Conv1d(4, n_filters, 7, padding=3)
        self.rconvs = nn.ModuleList(
            nn.Conv1d(n_filters, n_filters, 3, padding=2**i, dilation=2**i) for i in range(1, n_layers + 1)
        )
        self.relu = nn.ReLU()
        self.fconv = nn.Conv1d(n_filters, 1, 9, padding=4)
        self.linear = nn.Linear(n_filters, 1)

    def forward(self, x, controls=None):
        x = self.relu(self.iconv(x))
        for rconv in self.rconvs:
            x = torch.add(x, self.relu(rconv(x)))
        return self.fconv(x), self.linear(x.mean(dim=2))


class Danq(nn.Module):
    """Convolution, pooling, a bidirectional LSTM and dense layers, with functions between them, as DanQ has them."""

    def __init__(self, length=60, n_filters=6, hidden=4, n_tasks=2):
        super().__init__()
        self.lstm = nn.LSTM(n_filters, hidden, batch_first=True, bidirectional=True)
        self.conv = nn.Conv1d(4, n_filters, 7)
        self.dense = nn.Linear(2 * hidden * ((length - 6) // 6), 8)
        self.out = nn.Linear(8, n_tasks)

    def forward(self, x):
        x = F.relu(self.conv(x), inplace=True)
        x = F.dropout(F.max_pool1d(x, 6), 0.2, self.training)
        x, _ = self.lstm(x.transpose(1, 2))
        x = torch.flatten(x, 1)
        return self.out(torch.relu_(self.dense(x)))


class ChannelsLast(nn.Module):
    """Reads (batch, length, 4) and returns a dict of probabilities."""

    def __init__(self, n_tasks=2):
        super().__init__()
        self.conv, self.out = nn.Conv1d(4, 3, 5), nn.Linear(3, n_tasks)

    def forward(self, x):
        x = F.gelu(self.conv(x.transpose(1, 2))).amax(dim=2)
        return {"features": x, "probabilities": torch.sigmoid(self.out(x))}


def seeded(make, *arguments, dtype=torch.float64, **settings):
    """Build a network in evaluation mode whose weights are always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return make(*arguments, **settings).to(dtype).eval()
