"""Hydra's launcher for Corticode: a sweep's configurations are handed over together and run as one list of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from omegaconf import open_dict


class CorticodeLauncher(Launcher):
    """Lets Hydra compose every configuration, then calls the `run` of the task function once for all of them.

    A task function without `run` is simply called for each, as Hydra's own launcher does.
    """

    def setup(self, *, hydra_context, task_function, config) -> None:
        """Remember what Hydra gives."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Return one result per configuration, so that sweepers which learn from them can."""
        setup_globals()
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        returns = [self._composed(initial_job_idx + i, overrides) for i, overrides in enumerate(job_overrides)]
        run = getattr(self.task_function, "run", None)
        for one, headline in zip(returns, run() if run else [], strict=run is not None):
            one.return_value, one.status = headline, JobStatus.COMPLETED
        return returns

    def _composed(self, number: int, overrides: Sequence[str]) -> JobReturn:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


_TARGET = {"_target_": "hydra_plugins.corticode_launcher.CorticodeLauncher"}
ConfigStore.instance().store(group="hydra/launcher", name="corticode", node=_TARGET, provider="corticode")
