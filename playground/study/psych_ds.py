"""A study's tables as a Psych-DS dataset (psych-ds.github.io): plain CSV below `data`, described in JSON-LD."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from playground import __version__
from playground.study.stimuli import Study

DESCRIPTION = "dataset_description.json"


def write(folder: Path, study: Study, tables: Mapping[str, pd.DataFrame], meanings: pd.DataFrame) -> None:
    """Write the dataset into a new folder; `meanings` is the export's dictionary of columns."""
    (folder / "data").mkdir(parents=True)
    for name, rows in tables.items():
        rows.to_csv(folder / "data" / file_name(study.plan.name, name), index=False)
    described = json.dumps(description(study, meanings), ensure_ascii=False, indent=1)
    (folder / DESCRIPTION).write_text(f"{described}\n", encoding="utf-8")
    (folder / "README.md").write_text(_README.format(title=study.plan.title), encoding="utf-8")


def file_name(study: str, table: str) -> str:
    """The name of a table's file: official keywords, each with letters or digits."""
    return f"study-{re.sub('[^A-Za-z0-9]', '', study)}_description-{table}_data.csv"


def description(study: Study, meanings: pd.DataFrame) -> dict[str, Any]:
    """The dataset described: whose, what it is, and what each variable means."""
    variables: dict[str, dict[str, str]] = {}
    for row in meanings.to_dict("records"):
        one = {"@type": "PropertyValue", "name": row["column"], "description": row["meaning"]}
        variables.setdefault(row["column"], one)
    axes = sorted({one.axis for one in study.stimuli.values()})
    strengths = ", ".join(f"{at:g}" for at in sorted({one.strength for one in study.stimuli.values()}))
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": study.plan.title,
        "identifier": study.digest,
        "description": (
            f"Answers of people to replies of a language model along {' and '.join(axes)}, at strengths {strengths}. "
            f"Collected with Alignment Playground {__version__}."
        ),
        "keywords": ["psychology", "language models", "paired comparison", *axes],
        "variableMeasured": list(variables.values()),
    }


_README = """# {title}

`data` holds a table for each kind of row: answers, people, replies, practice, events. What each column means stands in
`dataset_description.json` as `variableMeasured`. A row is told from all others by `person` and `position` among answers
and among practice, by `person` among people, by `id` among replies; events are in order.

Before you publish it, add `author`, `license`, `citation`, `funder`, `url` and `privacyPolicy` to
`dataset_description.json`: Psych-DS recommends them, and nobody else knows them.
"""
