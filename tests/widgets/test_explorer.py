"""What all explorers share: keywords, progress, stopping, errors, staleness; shown by the filter explorer."""

import re
import threading

import pytest
import torch

import rcviz
from rcviz.widgets.runs import Run, Stopped

MINUTE = 60


@pytest.mark.parametrize(
    ("explorer", "options"),
    [
        ("FilterExplorer", "at, batch_size, colors, data, layer, model, motifs, task"),
        ("StrandExplorer", "at, attributions, batch_size, data, layer, models, output, task"),
        (
            "SequenceExplorer",
            "at, attributions, batch_size, data, layer, models, motifs, output, reference, region, sequence, task, "
            "threshold",
        ),
        ("TrainingMonitor", "config, model, train, valid"),
        ("TrainingCurves", "metric, size"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_an_unknown_keyword_is_named(explorer, options):
    with pytest.raises(TypeError, match=f"^{explorer} has no option 'colour'; its options are: {options}$"):
        getattr(rcviz, explorer)(colour="red")


@pytest.mark.usefixtures("no_names")
def test_a_task_to_start_with(make_model, toy):
    explorer = rcviz.FilterExplorer(make_model(), toy, task="starts with A")
    explorer.wait(MINUTE)
    ranking = rcviz.filter_contributions(make_model(), toy, task=1).ranking.tolist()
    assert (explorer.state.task, list(explorer.state.ranking)) == (1, ranking)
    explorer.close()
    with pytest.raises(ValueError, match=r"no task 'MAX': .*GATA"):
        rcviz.FilterExplorer(make_model(), toy, task="MAX")


class Held:
    """A model's second batch is held until the test lets it go."""

    def __init__(self, model, fail=None):
        self.go, self.reached, self.fail, self.batches = threading.Event(), threading.Event(), fail, 0
        model.register_forward_hook(self.hold)

    def __deepcopy__(self, memo):
        return self

    def hold(self, part, args, result):
        if len(args[0]) != 40:  # a trial
            return
        self.batches += 1
        if self.batches == 2:
            self.reached.set()
            self.go.wait(MINUTE)
            if self.fail is not None:
                raise self.fail


@pytest.fixture
def held(no_names, make_model, toy):
    """Open an explorer whose model is held in its second batch."""
    opened = []

    def open_held(fail=None):
        model = make_model(n_filters=4)
        hold = Held(model, fail)
        explorer = rcviz.FilterExplorer(model, toy, batch_size=40)
        opened.append((explorer, hold))
        assert hold.reached.wait(MINUTE)
        return explorer, hold

    yield open_held
    for explorer, hold in opened:
        hold.go.set()
        explorer.close()


def test_what_is_there_can_be_used_while_the_rest_is_computed(held):
    explorer, hold = held()
    assert not explorer.ready
    assert 0 < explorer.progress < 1
    assert explorer.message == "Running the model on all sequences"
    assert explorer._status["state"] == "computing"
    assert explorer._weights["matrices"]["shape"] == [4, 4, 7]
    assert explorer._scores == {}
    explorer.set_state({"_state": {**explorer._state, "filter": 3}})
    with pytest.raises(TimeoutError, match=r"the analysis is at \d+%.*wait longer"):
        explorer.wait(0.01)
    hold.go.set()
    explorer.wait(MINUTE)
    assert explorer.state.filter == 3  # chosen before the filters were ranked
    assert explorer.ready


def test_stop_ends_the_analysis_and_refresh_begins_it_again(held):
    explorer, hold = held()
    explorer._on_message(explorer, {"kind": "stop"}, [])
    hold.go.set()
    with pytest.raises(RuntimeError, match=r"stopped before its end; explorer\.refresh"):
        explorer.wait(MINUTE)
    assert explorer._status["state"] == "error"
    assert explorer._status["message"].startswith("Stopped")
    assert not explorer.ready
    explorer._on_message(explorer, {"kind": "refresh"}, [])
    explorer.wait(MINUTE)
    assert explorer._status["state"] == "ready"


def test_an_exception_is_shown_and_raised_by_wait(held):
    explorer, hold = held(OSError("the disk <b>is</b> gone"))
    hold.go.set()
    with pytest.raises(OSError, match="gone"):
        explorer.wait(MINUTE)
    assert explorer._status["state"] == "error"
    assert explorer._status["message"] == "the disk <b>is</b> gone"
    with pytest.raises(OSError, match="gone"):
        explorer.table  # noqa: B018
    explorer.refresh()
    explorer.wait(MINUTE)
    assert explorer.ready


def test_another_question_replaces_the_one_that_is_computed(held, toy):
    explorer, hold = held()
    explorer.state.task = 1
    hold.go.set()
    explorer.wait(MINUTE)
    expected = rcviz.filter_contributions(explorer._models[0], toy, task=1)
    assert explorer.state.ranking == tuple(expected.ranking)


def test_closing_while_it_computes_ends_the_thread(held):
    explorer, hold = held()
    run = explorer._run
    threading.Timer(0.05, hold.go.set).start()
    explorer.close()
    assert run.ended
    assert run.stopped


@pytest.mark.usefixtures("no_names")
def test_weights_are_those_of_the_call_until_refresh(make_model, toy):
    """Trained in place beside the open explorer: it says so, mixes nothing, and refresh shows the new weights."""
    model = make_model(n_filters=4)
    explorer = rcviz.FilterExplorer(model, toy)
    explorer.wait(MINUTE)
    before = [rcviz.filter_contributions(model, toy, task=task).ranking.tolist() for task in (0, 1)]
    assert not explorer.stale
    config = rcviz.TrainConfig(epochs=2, batch_size=20, samples_per_epoch=60, learning_rate=0.1)
    rcviz.fit(model, toy, toy, config, progress=False)
    assert explorer.stale
    explorer._on_message(explorer, {"kind": "check"}, [])
    assert explorer._status["state"] == "stale"
    explorer.state.task = 1  # not computed yet: still from the old weights, as all that is shown
    explorer.wait(MINUTE)
    assert list(explorer.state.ranking) == before[1]
    assert explorer._status["state"] == "stale"
    explorer.refresh()
    explorer.wait(MINUTE)
    after = rcviz.filter_contributions(model, toy, task=1)
    assert list(explorer.state.ranking) == after.ranking.tolist() != before[1]
    assert explorer._status["state"] == "ready"
    assert not explorer.stale
    explorer.close()


@pytest.mark.usefixtures("no_names")
def test_the_model_is_not_touched_while_an_explorer_computes(held):
    """Not even its mode: a loop of the user's own may train it at the same time."""
    explorer, _ = held()
    model = explorer._models[0]
    assert model.training
    assert all(part.training for part in model.modules())
    with torch.no_grad():
        next(model.parameters()).zero_()
    assert explorer.stale


def test_a_run_tells_its_progress_and_how_it_ended():
    said = []

    def work(run):
        run.tick(0.5, "half")
        run.part(0.5, 1.0)(0.5)
        said.append((run.progress, run.message))
        raise Stopped

    run = Run(work, lambda run: None)
    assert run.wait(MINUTE)
    assert said == [(0.75, "half")]
    assert run.stopped
    assert not run.complete


@pytest.mark.usefixtures("no_names")
def test_several_explorers_on_a_page_have_ids_of_their_own(make_model, toy):
    explorer = rcviz.FilterExplorer(make_model(n_filters=2), toy)
    pages = ["".join(explorer.html_parts(place)) for place in ("", "-2")]
    explorer.close()
    for page, place in zip(pages, ("", "-2"), strict=True):
        assert re.findall(r'id="([^"]*)"', page) == [f"rcviz-explorer{place}", f"rcviz-data{place}"]
        assert page.count(f'document.getElementById("rcviz-data{place}")') == 1


@pytest.mark.usefixtures("no_names")
def test_the_same_explorer_is_saved_as_the_same_page(make_model, toy):
    pages = []
    for _ in range(2):
        explorer = rcviz.FilterExplorer(make_model(n_filters=2), toy)
        pages.append("".join(explorer.html_parts()))
        explorer.close()
    assert pages[0] == pages[1]


@pytest.mark.parametrize("write", ["to_html", "export"])
def test_a_file_that_cannot_be_written_is_refused_before_the_analysis(held, tmp_path, write):
    explorer, _ = held()
    folder = tmp_path / "folder.html"
    folder.mkdir()
    for path, message in ((tmp_path / "none" / "a.html", "folder .* does not exist"), (folder, "it is a folder")):
        with pytest.raises(ValueError, match=message):
            getattr(explorer, write)(path)
    assert not explorer.ready


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize("use", ["wait", "refresh", "picture", "html_parts"])
def test_a_closed_explorer_says_so(make_model, toy, use):
    explorer = rcviz.FilterExplorer(make_model(), toy)
    explorer.close()
    with pytest.raises(RuntimeError, match="FilterExplorer is closed"):
        getattr(explorer, use)()
    explorer.close()
