"""What an evaluation needs to know: the campaign's part, once, and each candidate's part.

Plain frozen dataclasses of JSON values, with no live object, open file or process in them,
so that workers on other machines can serve the same requests. Plain rather than pydantic,
because the campaign file has been validated already and a worker without pydantic is small.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from metasearch.errors import CampaignError
from metasearch.outcome import Split
from metasearch.sandboxes.base import LeasedDevice, Limits, SandboxSpec
from metasearch.sandboxes.build import built_name
from metasearch.sandboxes.rootfs import places_of

if TYPE_CHECKING:
    from metasearch.campaign import Campaign, SandboxSection


@dataclass(frozen=True)
class StageSpec:
    """One function of the evaluator, and what it takes to pass it."""

    function: str
    threshold: Mapping[str, float] = field(default_factory=dict)
    """Metric -> value to reach, in the objective's direction; other metrics are maximised."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSpec:
    """The part of a campaign that decides how its candidates are scored."""

    objectives: Mapping[str, str]
    """Name -> ``maximize`` or ``minimize``; each must be returned by every stage."""
    metrics: tuple[str, ...] = ()
    """Further names that may be returned."""
    private: tuple[str, ...] = ()
    """Likewise, never shown to a model."""
    file: str | None = None
    """The evaluator's path in ``sources``; else ``module`` or ``plugin`` is given."""
    module: str | None = None
    plugin: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """Path -> text of the evaluator and the harness files."""
    harness: tuple[str, ...] = ()
    """Which of the sources are put beside the program in the sandbox."""
    folder: str = ""
    """The campaign's folder, where the evaluator finds its siblings and data, if it is here."""
    stages: tuple[StageSpec, ...] = (StageSpec("evaluate"),)
    repeats: int = 1
    timeout: float = 3600.0
    asks_at_once: int = 0
    """How many asks of models a candidate may have in flight; 0: it may not ask."""
    provider: str = "auto"
    sandbox: SandboxSpec = field(default_factory=SandboxSpec)

    @classmethod
    def of(cls, campaign: Campaign) -> EvaluationSpec:
        """The specification that a campaign file amounts to.

        Raises:
            CampaignError: A stage's threshold names no declared metric.
        """
        settings = campaign.settings
        section = settings.evaluator
        by_file = not (section.module or section.plugin)
        declared = [*settings.objectives, *section.metrics, *section.private]
        for stage in section.stages:
            for name in stage.threshold:
                if name not in declared:
                    close = difflib.get_close_matches(name, declared, 1)
                    raise CampaignError(
                        f"The threshold of stage {stage.function!r} names {name!r}, which is no "
                        f"declared metric; did you mean {(close or declared)[0]!r}?"
                    )
        return cls(
            objectives=dict(settings.objectives),
            metrics=section.metrics,
            private=section.private,
            file=(section.file or "evaluator.py") if by_file else None,
            module=section.module,
            plugin=section.plugin,
            sources=dict(campaign.evaluator_files),
            harness=section.harness,
            folder=str(campaign.folder),
            stages=tuple(StageSpec(stage.function, stage.threshold) for stage in section.stages)
            or (StageSpec(section.function),),
            repeats=section.repeats,
            timeout=section.timeout,
            asks_at_once=settings.agent.concurrency if settings.agent.calls else 0,
            provider=settings.sandbox.provider,
            sandbox=sandbox_spec(settings.sandbox, campaign),
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EvaluationSpec:
        """Back from :meth:`to_json`, by way of JSON or not."""
        sandbox = data["sandbox"]
        return cls(
            **{
                **data,
                "metrics": tuple(data["metrics"]),
                "private": tuple(data["private"]),
                "harness": tuple(data["harness"]),
                "stages": tuple(StageSpec(**stage) for stage in data["stages"]),
                "sandbox": SandboxSpec(
                    limits=Limits(**sandbox["limits"]),
                    preload=tuple(sandbox["preload"]),
                    paths=tuple(sandbox["paths"]),
                    hidden=tuple(sandbox["hidden"]),
                    gpus=sandbox["gpus"],
                    image=sandbox["image"],
                    runtime=sandbox["runtime"],
                    campaign=sandbox["campaign"],
                ),
            }
        )


def sandbox_spec(section: SandboxSection, campaign: Campaign) -> SandboxSpec:
    """The sandbox that ``[sandbox]`` of a campaign file asks for."""
    return SandboxSpec(
        limits=Limits(
            seconds=section.timeout,
            memory=section.memory,
            cpus=section.cpus,
            pids=section.pids,
            disk=section.disk,
            output=section.output,
        ),
        preload=section.preload,
        paths=tuple(str((campaign.folder / path).resolve()) for path in section.paths),
        hidden=tuple(place for name in section.hide for place in places_of(name)),
        gpus=section.gpus,
        image=built_name(campaign.folder / section.build) if section.build else section.image,
        runtime=section.runtime,
        campaign=campaign.name,
    )


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """One candidate to evaluate."""

    number: int
    """The candidate's number, for messages only: no score depends on it."""
    files: Mapping[str, str]
    """Its program; the first file is the main one."""
    split: Split = Split.VALIDATION
    seed: int = 0
    """The campaign's seed."""
    devices: tuple[LeasedDevice, ...] = ()
    """GPUs that its sandboxes show; the pool leases them."""

    def seed_of(self, repeat: int) -> int:
        """The seed of one repeat: it follows from campaign seed, program and repeat alone."""
        sha = hashlib.sha256(f"{self.seed}/{repeat}".encode())
        for path in sorted(self.files):
            for part in (path, self.files[path]):
                data = part.encode("utf-8", "surrogatepass")
                sha.update(len(data).to_bytes(8, "big") + data)
        return int.from_bytes(sha.digest()[:8], "big") >> 1

    def to_json(self) -> dict[str, Any]:
        """As JSON values; the files as pairs, because their order counts."""
        return {
            "number": self.number,
            "files": [[path, text] for path, text in self.files.items()],
            "split": str(self.split),
            "seed": self.seed,
            "devices": [asdict(device) for device in self.devices],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EvaluationRequest:
        """Back from :meth:`to_json`."""
        return cls(
            number=data["number"],
            files=dict(data["files"]),
            split=Split(data["split"]),
            seed=data["seed"],
            devices=tuple(LeasedDevice(**device) for device in data["devices"]),
        )
