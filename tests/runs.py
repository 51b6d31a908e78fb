"""Train and restore in one flat call: tests name what they vary, whichever object it belongs to."""

from acuity.predict import predict as predicting
from acuity.predict.job import Output, PredictionFiles, PredictionJob
from acuity.train import train as training
from acuity.train.job import TrainingFiles, TrainingJob


def train(
    method_name,
    settings,
    pairs,
    *,
    output,
    card,
    history,
    checkpoints,
    masks=None,
    threads=None,
    until=None,
    **job,
):
    files = TrainingFiles(pairs, output, card, history, checkpoints, masks)
    training.train(TrainingJob(method_name, settings, **job), files, threads=threads, until=until)


def predict(
    method_name,
    settings,
    low,
    output,
    *,
    model=None,
    card=None,
    disagreement=None,
    threads=None,
    **job,
):
    files = PredictionFiles(low, output, model, card, disagreement)
    predicting.predict(PredictionJob(method_name, settings, **job), files, threads=threads)


def restore(volume, path, method, run, *, name, threads=None, **output):
    predicting.restore(volume, Output(path, **output), method, run, name=name, threads=threads)
