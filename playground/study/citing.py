"""What a paper says of a study's analysis: the methods written out, and what to cite. Pure."""

from collections.abc import Mapping

from playground.study.analysis import Analysis
from playground.study.asides import rule
from playground.study.parts import PlannedAnalysis
from playground.study.wording import count

BIBTEX = """@software{alignment_playground,
  title = {Alignment Playground},
  year = {2026},
  note = {Studies of steering strength: ordinal multilevel models of paired comparisons},
  license = {Apache-2.0}
}
@article{rao1967ties,
  author = {Rao, P. V. and Kupper, L. L.},
  title = {Ties in Paired-Comparison Experiments: A Generalization of the Bradley-Terry Model},
  journal = {Journal of the American Statistical Association},
  year = {1967}, volume = {62}, pages = {194--204}, doi = {10.1080/01621459.1967.10482901}
}
@article{pinheiro1995approximations,
  author = {Pinheiro, Jos{\\'e} C. and Bates, Douglas M.},
  title = {Approximations to the Log-Likelihood Function in the Nonlinear Mixed-Effects Model},
  journal = {Journal of Computational and Graphical Statistics},
  year = {1995}, volume = {4}, pages = {12--35}, doi = {10.1080/10618600.1995.10474663}
}"""
"""What to cite."""


def methods(analysis: Analysis, about: Mapping[str, str]) -> str:
    """The methods as a paper tells them; a line is a paragraph."""
    kept, fitted = analysis.kept, analysis.kept.preference.value
    rules = ", ".join(rule(name, analysis.flags) for name in analysis.rules)
    out = count(len(analysis.excluded), "person was", "people were")
    sample = (
        f"We analysed {count(kept.pairs, 'paired comparison')} by {count(kept.people, 'person', 'people')} of replies "
        f"at {len(analysis.strengths)} strengths of {analysis.axis or 'the axis'} ({analysis.method}). "
        + (f"{out} left out ({rules})." if rules else "Nobody was to be left out.")
    )
    curve = _CURVES[fitted.curve if fitted else "parabola"]
    is_mixed = fitted is not None and fitted.careless > 0
    careless = " and with a share of careless people, whose answers depend on nothing shown," if is_mixed else ""
    version = f" (Alignment Playground {about['playground']})" if "playground" in about else ""
    model = f"{_MODEL.format(careless=careless, version=version)} {curve}"
    return "\n".join([sample, model, _INTERVALS, _tests(analysis.planned)])


def _tests(planned: PlannedAnalysis | None) -> str:
    """How tests were made, and which are adjusted."""
    family = "All" if planned is None or planned.secondary is None else "The registered"
    margin = planned.equivalent_within if planned else None
    return _TESTS.format(family=family) + ("" if margin is None else _EQUIVALENT.format(margin=margin))


_CURVES = {
    "parabola": "The utility of a strength was a parabola, which a Wald test against free utilities did not reject.",
    "two-sided": (
        "The utility of a strength was a parabola with a sharpness below its top and another above it, as a Wald test "
        "against free utilities spoke against a single sharpness (p < .3)."
    ),
    "": "As neither a parabola nor one with two sides could be relied on, utilities were estimated for each strength.",
}

_MODEL = (
    "Answers were modelled by a cumulative logit with symmetric thresholds, ties (and both bad) in the middle, a "
    "term for the side, a normally distributed top and a log-normally distributed sharpness for each "
    "person{careless} fitted by maximum likelihood with adaptive Gauss-Hermite quadrature{version}."
)

_INTERVALS = (
    "Intervals hold 95 %. Those of the model come from a sandwich estimate over people with Student's t; that of a "
    "parabola's top is Fieller's, that of one with two sides a profile likelihood's. The standard deviation of "
    "people's tops has a profile-likelihood interval, the "
    "shares of people by strength a bootstrap over people of the fitted normal distribution. Two groups of people "
    "are told where a mixture of two normal distributions has the lower BIC. For prompts in general, prompts have "
    "slopes of their own, whose variance is that of a random-effects meta-analysis. Thresholds of too strong are a "
    "logistic curve with a normally distributed threshold for each person, which allows for placing strengths by "
    "earlier answers; shares are over people."
)

_EQUIVALENT = (
    " Equivalence within {margin:g} was tested by two one-sided tests (TOST) of each two preferred strengths, the "
    "largest probability of which is that of all being equivalent."
)

_TESTS = (
    "Whether people differ is a likelihood-ratio test at a bound. Topics and order are tested by permuting labels "
    "among each person's own answers, topics in general among prompts, questions among people. Conditions and "
    "groups are compared by a Wald test (Hotelling's T squared) of the tops of a parabola each, in one model. Win "
    "rates count a tie as half a win and both bad as none; Bradley-Terry scores and Krippendorff's alpha are "
    "evalica's. {family} secondary tests stand beside their adjustment by Holm's method."
)
