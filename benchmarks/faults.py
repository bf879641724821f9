"""A campaign on a provider that misbehaves in every known way, beside one on a good provider.

    python -m benchmarks.faults [--evaluations 500] [--share 0.2] [--stream]

One call in five goes wrong, each kind as likely as the others; waits between attempts are those
that are shipped. The campaign must end with all its evaluations, hold each billed completion
once, agree with the server's own bill to the cent, and take little longer. Answers that do
not say what they cost are compared apart: they are billed as the most they can have been.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.workload import run, unique_replies, verdict, write_campaign
from metasearch.archive import Archive
from metasearch.exchange import Exchange
from metasearch.models.call import most_tokens
from metasearch.testing.model_server import Break, Fault, ModelServer

LATENCY = 0.3
"""Seconds that the model takes."""
SLOWER = 1.6
"""Times the wall time without faults."""
INPUT, OUTPUT = 3.0, 15.0
"""USD per million tokens."""

MODELS = """timeout = {timeout}
stream = {stream}
stall = {stall}
max_tokens = 2000
prices = {{ "openai/benchmark" = {{ input = {input}, output = {output} }} }}
"""

FAULTS = (
    Fault(status=429),
    Fault(status=429, retry_after=0.5),
    Fault(status=500),
    Fault(status=502),
    Fault(status=503),
    Fault(status=529),
    Fault(
        status=400,
        code="context_length_exceeded",
        message="This model's maximum context length is 400 tokens. However, you requested 450 "
        "tokens.",
    ),
    Fault(Break.RESET),
    Fault(Break.STALL),
    Fault(Break.DRIP),
    Fault(Break.TRUNCATED),
    Fault(Break.INVALID_JSON),
    Fault(Break.EMPTY),
    Fault(Break.FILTERED),
    Fault(Break.LENGTH),
    Fault(Break.THINKING),
    Fault(Break.NO_USAGE),
)


def injected(share: float, seed: int) -> Callable[[int], Fault | None]:
    """A share of requests goes wrong, by their number."""

    def fault(number: int) -> Fault | None:
        rng = random.Random(f"{seed}/{number}")
        return rng.choice(FAULTS) if rng.random() < share else None

    return fault


def campaign(
    folder: Path, server: ModelServer, evaluations: int, *, stream: bool, patience: float
) -> tuple[float, Path]:
    """Wall seconds of a whole run, and its archive."""
    models = MODELS.format(
        timeout=3 * patience,
        stream=str(stream).lower(),
        stall=patience,
        input=INPUT,
        output=OUTPUT,
    )
    write_campaign(folder, server, concurrency=16, evaluations=evaluations, models=models)
    archive = folder / "archive.db"
    cost = run("run", str(folder), "--archive", str(archive))
    print(f"  {cost.wall:.1f} s, {cost.cpu:.1f} s of processor time")
    return cost.wall, archive


def is_estimate(exchange: Exchange) -> bool:
    """Whether a call was billed as the most it can have taken, for want of the provider's word."""
    return exchange.usage.input_tokens == most_tokens(exchange.messages)


def usd(input_tokens: int, output_tokens: int) -> float:
    """What tokens cost."""
    return (input_tokens * INPUT + output_tokens * OUTPUT) / 1e6


def check(file: Path, server: ModelServer, evaluations: int) -> bool:
    """Compare the archive with the server's own counts; whether all agrees."""
    counts = server.counts
    with Archive.open(file, read_only=True) as archive:
        [summary] = archive.campaigns()
        kept = archive.campaign(summary.id)
        billed = [e for e in kept.all_exchanges() if e.usage.tokens]
        digests = [c.digest for c in kept.candidates() if c.outcome and c.outcome.evaluated]
        total = kept.usage()
    estimates = [e for e in billed if is_estimate(e)]
    said = sum(e.usage.usd or 0 for e in billed if not is_estimate(e))
    guessed = sum(e.usage.tokens for e in estimates)
    asked = usd(counts.input_tokens, counts.output_tokens)
    asked -= usd(counts.unsaid_input_tokens, counts.unsaid_output_tokens)
    unsaid = counts.unsaid_input_tokens + counts.unsaid_output_tokens
    print(f"{counts.requests} requests: {dict(sorted(counts.outcomes.items()))}")
    print(f"billed {total.usd:.4f} USD; by the server {said:.4f} and {asked:.4f} without estimates")
    print(f"{len(estimates)} estimates: {guessed} tokens for {unsaid}")
    return all(
        [
            verdict("evaluations", len(digests), evaluations, at_most=False),
            verdict("programs evaluated twice", len(digests) - len(set(digests)), 0.5),
            verdict("completions lost or doubled", abs(len(billed) - counts.answered), 0.5),
            verdict("USD beside the server's bill", abs(said - asked), 0.005),
            verdict("answers without a bill, miscounted", abs(len(estimates) - counts.unsaid), 0.5),
            verdict("tokens billed too little for them", max(0, unsaid - guessed), 0.5),
        ]
    )


def main() -> int:
    """Measure both; the exit status says whether all limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slower", type=float, default=SLOWER, help="limit of the wall time")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        help="seconds without more of a stream; three times that for a whole reply (more on a "
        "busy machine, where a good reply may come late: it is billed, and nobody sees it)",
    )
    chosen = parser.parse_args()
    walls = []
    kept = True
    for share in (0.0, chosen.share):
        with (
            tempfile.TemporaryDirectory() as scratch,
            ModelServer(
                unique_replies(),
                latency=LATENCY,
                faults=injected(share, chosen.seed),
                record=False,
            ) as server,
        ):
            wall, archive = campaign(
                Path(scratch),
                server,
                chosen.evaluations,
                stream=chosen.stream,
                patience=chosen.patience,
            )
            print(f"{share:.0%} of calls go wrong: {wall:.1f} s")
            walls.append(wall)
            kept &= check(archive, server, chosen.evaluations)
    kept &= verdict("times the wall time without faults", walls[1] / walls[0], chosen.slower)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
