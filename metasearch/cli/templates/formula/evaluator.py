"""Scores a formula for the pressure of saturated water vapour.

This file runs outside the sandbox and is trusted. The candidate runs inside and sees the
temperatures, never the pressures. Its own mistakes are its outcome; an exception of this
file stops the campaign as a mistake of yours.
"""

from metasearch.evaluation import BlockingCandidate, CandidateFailure, Outcome, Split

# Degrees Celsius -> hPa. From the equation of Wagner and Pruss (IAPWS), five digits.
VALIDATION = {
    0: 6.1121, 10: 12.281, 20: 23.392, 30: 42.469, 40: 73.851, 50: 123.52, 60: 199.47,
    70: 312.02, 80: 474.16, 90: 701.83, 100: 1014.2, 110: 1433.8, 120: 1986.7, 130: 2702.8,
    140: 3615.3, 150: 4761.6, 160: 6182.3, 170: 7921.8, 180: 10028.0, 190: 12552.0, 200: 15549.0,
}  # fmt: skip
TEST = {
    5: 8.7253, 15: 17.057, 25: 31.698, 35: 56.291, 45: 95.953, 55: 157.63, 65: 250.43,
    75: 385.97, 85: 578.68, 95: 846.09, 105: 1209.0, 115: 1691.8, 125: 2322.3, 135: 3132.2,
    145: 4156.8, 155: 5434.9, 165: 7009.3, 175: 8926.0, 185: 11235.0, 195: 13988.0,
}  # fmt: skip


def evaluate(candidate: BlockingCandidate) -> dict[str, list[float]]:
    """The relative error at each temperature, in per cent; their mean is the score."""
    table = TEST if candidate.split == Split.TEST else VALIDATION
    answers = read(candidate.call("pressures", [float(t) for t in table]), len(table))
    errors = {
        temperature: 100 * abs(answer - pressure) / pressure
        for (temperature, pressure), answer in zip(table.items(), answers, strict=True)
    }
    worst = max(errors, key=lambda temperature: errors[temperature])
    candidate.feedback(f"The largest error is {errors[worst]:.3g} per cent, at {worst} degrees.")
    return {"error": list(errors.values())}


def read(answers: object, expected: int) -> list[float]:
    """What came out of the sandbox, if it is what was asked for: never trust it unseen."""
    if not isinstance(answers, list) or len(answers) != expected:
        raise CandidateFailure(Outcome.INVALID, f"pressures() must return {expected} numbers")
    for answer in answers:
        # Also false for NaN; and whole numbers may be of any size.
        if not isinstance(answer, int | float) or not abs(answer) <= 1e300:
            raise CandidateFailure(Outcome.INVALID, "pressures() must return finite numbers")
    return [float(answer) for answer in answers]
