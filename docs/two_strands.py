"""The interactive figure of strand-symmetric layers (Figures 8 and 9): a small network that reads both strands.

``{two-strands}`` draws every neuron of both readings; ``_static/two_strands.js`` lights up a neuron, its partner on the
other strand and the weights that both use. Values and weights are those of rcviz's own layers.
"""

import copy
import html
import json

import torch
from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from torch import nn

import rcviz

SEQUENCE = "GATAACG"
STRANDS = ("forward strand", "reverse complement")
LAYERS = ("sequence", "layer 1", "layer 2", "weighted sum", "dense")
_SEED = 15


_CELL_WIDTH, _CELL_HEIGHT, _GAP = 38, 22, 34
_LEFT, _TOP, _WIDTH = 46, 26, 320
_NAMES = ("0", "1", "1 RC", "0 RC")  # two filters and, in opposite order, their reverse complements


def tied_layers():
    """Two convolutions, a weighted sum and a dense layer, all tied, with small whole numbers as weights."""
    generator = torch.Generator().manual_seed(_SEED)
    layers = [
        rcviz.RevCompConv1d(4, n_filters=2, kernel_size=3, bias=False),
        rcviz.RevCompConv1d(4, n_filters=2, kernel_size=2, bias=False),
        rcviz.WeightedSum1d(4, length=4),
        rcviz.RevCompLinear(4, 1, bias=False),
    ]
    for layer in layers:
        nn.init.zeros_(layer.weight)
        layer.weight.data += torch.randint(-1, 3, layer.weight.shape, generator=generator)
    return layers


def feature_maps(layers, sequence):
    """Return the output of each layer, (channels, positions), the sequence first; a ReLU follows each convolution."""
    first, second, weighted_sum, dense = layers
    with torch.no_grad():
        maps = [torch.from_numpy(rcviz.one_hot([sequence]))]
        maps.append(first(maps[-1]).relu())
        maps.append(second(maps[-1]).relu())
        maps.append(weighted_sum(maps[-1])[:, :, None])
        maps.append(dense(maps[-1][:, :, 0])[:, :, None])
    return [feature_map[0].int().tolist() for feature_map in maps]


def connections(layers):
    """List the inputs of each neuron, by layer, channel and position: channel, position, weight, stored weight.

    Each stored weight has a number, and the layers themselves carry the numbers to where the weights are used.
    """
    neurons = []
    for layer, n_positions in zip(layers, (5, 4, 1, 1), strict=True):
        numbered = copy.deepcopy(layer)
        numbered.weight.data = torch.arange(layer.weight.numel(), dtype=torch.float32).reshape(layer.weight.shape)
        weight, number = (tied.expanded_weight().detach().int() for tied in (layer, numbered))
        if isinstance(layer, rcviz.WeightedSum1d):  # reads its own channel, at every position
            inputs = [[(out, at) for at in range(weight.shape[1])] for out in range(len(weight))]
        elif isinstance(layer, rcviz.RevCompLinear):  # every channel, with one position each
            inputs = [[(channel, 0) for channel in range(weight.shape[1])] for _ in range(len(weight))]
        else:
            inputs = [[(channel, at) for channel in range(weight.shape[1]) for at in range(weight.shape[2])]] * len(
                weight
            )
        neurons.append(
            [
                [
                    [
                        [channel, at + start, value, stored]
                        for (channel, at), value, stored in zip(
                            inputs[out], weight[out].flatten().tolist(), number[out].flatten().tolist(), strict=True
                        )
                    ]
                    for start in range(n_positions)
                ]
                for out in range(len(weight))
            ]
        )
    return neurons


def figure():
    """Return the figure as HTML; without scripts it shows all values for both strands."""
    layers = tied_layers()
    readings = [SEQUENCE, rcviz.reverse_complement(SEQUENCE)]
    maps = [feature_maps(layers, reading) for reading in readings]
    stored = [layer.weight.numel() for layer in layers]
    data = {"maps": maps, "inputs": connections(layers), "stored": stored, "layers": LAYERS, "names": _NAMES}
    panels = "".join(_panel(strand, readings[strand], maps[strand]) for strand in range(2))
    radios = "".join(
        f'<label><input type="radio" name="two-strands-layer" value="{number}"> {name}</label>'
        for number, name in enumerate(LAYERS)
        if number
    )
    return (
        f'<div class="two-strands"><form class="two-strands-controls" hidden><fieldset><legend>Layer</legend>{radios}'
        '</fieldset><label>Channel <select></select></label><label>Position <input type="range" min="0" step="1">'
        f'<output></output></label></form><div class="two-strands-panels">{panels}</div>'
        '<div class="two-strands-said" aria-live="polite"></div>'
        "<noscript><p>With scripts, a neuron that is chosen lights up together with its partner on the other strand, "
        "and equal weights have the same colour and letter. The code below computes the same.</p></noscript>"
        f'<script type="application/json">{json.dumps(data)}</script></div>'
    )


def _panel(strand, sequence, maps):
    drawn, top = [], _TOP
    for at, base in enumerate(sequence):
        drawn.append(f'<text class="base" x="{_LEFT + (at + 0.5) * _CELL_WIDTH}" y="{_TOP - 8}">{base}</text>')
    for layer, rows in enumerate(maps):
        left = _LEFT
        if layer == 4:  # beside the weighted sum, at half its height
            left, top = _LEFT + 3 * _CELL_WIDTH, top - _GAP - 2.5 * _CELL_HEIGHT
        for channel, row in enumerate(rows):
            name = "ACGT"[channel] if layer == 0 else "logit" if layer == 4 else _NAMES[channel]
            y = top + channel * _CELL_HEIGHT
            drawn.append(f'<text class="channel" x="{left - 6}" y="{y + 15}">{name}</text>')
            for at, value in enumerate(row):
                drawn.append(_neuron(strand, layer, channel, at, value, left + at * _CELL_WIDTH, y))
        if layer != 4:
            middle = f"translate(10 {top + 2 * _CELL_HEIGHT}) rotate(-90)"
            drawn.append(f'<text class="layer" transform="{middle}">{LAYERS[layer]}</text>')
        top += len(rows) * _CELL_HEIGHT + _GAP
    height = _TOP + 4 * 4 * _CELL_HEIGHT + 3 * _GAP + 6
    return (
        f'<figure><figcaption>{STRANDS[strand]}</figcaption><svg viewBox="0 0 {_WIDTH} {height}" role="group" '
        f'aria-label="Neurons of the network that reads the {STRANDS[strand]}, {sequence}">'
        f'<path class="window"/>{"".join(drawn)}</svg><div class="two-strands-weights"></div></figure>'
    )


def _neuron(strand, layer, channel, at, value, x, y):
    label = f"{STRANDS[strand]}, {LAYERS[layer]}, channel {channel}, position {at}: {value}"
    return (
        f'<g class="neuron" data-at="{layer} {channel} {at}" role="img" aria-label="{html.escape(label)}">'
        f'<rect x="{x}" y="{y}" width="{_CELL_WIDTH}" height="{_CELL_HEIGHT}"/>'
        f'<text class="weight" x="{x + 4}" y="{y + 15}"></text>'
        f'<text class="value" x="{x + _CELL_WIDTH - 5}" y="{y + 15}">{str(value).replace("-", chr(8722))}</text></g>'
    )


class TwoStrands(SphinxDirective):
    def run(self):
        self.env.note_reread()  # the figure depends on the layers, not on the page
        return [nodes.raw("", figure(), format="html")]


def setup(app):
    app.add_directive("two-strands", TwoStrands)
    app.add_js_file("two_strands.js", loading_method="defer")
    return {"parallel_read_safe": True}
