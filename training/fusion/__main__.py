"""Trains `fusion-attention` on the outputs of the models as they are now, measures it and writes its folder.

    python -m training.fusion --speech-runs runs/speech --out models/fusion-attention

See `train.py` for the protocol. A run that was cut off goes on when the command is given again; outputs of
models that have not changed are kept.
"""

import argparse

from training.fusion import evaluate, train
from training.fusion.tables import add_arguments


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    train.add_training_arguments(parser)
    evaluate.add_evaluation_arguments(parser)
    arguments = parser.parse_args()
    train.run(arguments)
    evaluate.run(arguments)


if __name__ == "__main__":
    main()
