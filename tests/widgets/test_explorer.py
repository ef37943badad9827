"""Keywords of explorers: the unknown ones are named with those there are, before anything is made."""

import pytest

import rcviz


@pytest.mark.parametrize(
    ("explorer", "options"),
    [
        ("FilterExplorer", "at, batch_size, colors, data, layer, model, motifs, task"),
        ("StrandExplorer", "at, batch_size, data, layer, models, task"),
        ("TrainingMonitor", "config, model, train, valid"),
        ("TrainingCurves", "metric, size"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_an_unknown_keyword_is_named(explorer, options):
    with pytest.raises(TypeError, match=f"^{explorer} has no option 'colour'; its options are: {options}$"):
        getattr(rcviz, explorer)(colour="red")


def test_a_task_to_start_with(make_model, toy):
    explorer = rcviz.FilterExplorer(make_model(), toy, task="starts with A")
    ranking = rcviz.filter_contributions(make_model(), toy, task=1).ranking.tolist()
    assert (explorer.state.task, list(explorer.state.ranking)) == (1, ranking)
    explorer.close()
    with pytest.raises(ValueError, match=r"no task 'MAX': .*GATA"):
        rcviz.FilterExplorer(make_model(), toy, task="MAX")
