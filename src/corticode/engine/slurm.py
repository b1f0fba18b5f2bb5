"""Workers that are jobs of a SLURM cluster, started by dask-jobqueue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corticode.engine.dask import Dask
from corticode.errors import SentenceError


class Slurm(Dask):
    """Each worker is one SLURM job of one core; the scheduler lives in this process, on a node that the workers can reach.

    Parameters
    ----------
    n_jobs : int
        SLURM jobs to ask for.
    queue, account : str or None
        Partition and account.
    walltime : str
        'HH:MM:SS'; a worker that is ended by SLURM costs its own job, which runs again elsewhere.
    memory : str
        Per worker, such as '4GB'.
    interface : str or None
        Network interface of the scheduler ('ib0'), where there are several.
    directives : sequence of str
        Further lines for `#SBATCH`: ['--gres=gpu:1'].
    prologue : sequence of str
        Shell lines before the worker starts: ['module load python'].
    log_directory : str or None
        Where SLURM writes what workers print.
    """

    def __init__(
        self,
        n_jobs: int = 8,
        queue: str | None = None,
        account: str | None = None,
        walltime: str = "01:00:00",
        memory: str = "4GB",
        interface: str | None = None,
        directives: Sequence[str] = (),
        prologue: Sequence[str] = (),
        log_directory: str | None = None,
    ):
        super().__init__(n_jobs)
        self.queue, self.account, self.walltime, self.memory = queue, account, walltime, memory
        self.interface, self.log_directory = interface, log_directory
        self.directives, self.prologue = tuple(directives), tuple(prologue)

    def __str__(self) -> str:
        return f"on {self.n_workers} SLURM jobs of {self.memory} and {self.walltime}, one thread each"

    def cluster(self, distributed: Any) -> Any:
        """Ask SLURM for the workers; jobs start as soon as the first of them runs."""
        cluster = self._jobqueue()
        cluster.scale(jobs=self.n_workers)
        return cluster

    def script(self) -> str:
        """Return the script that each worker is submitted with, to read before asking for a hundred of them."""
        cluster = self._jobqueue()
        try:
            return cluster.job_script()
        finally:
            cluster.close()

    def _jobqueue(self) -> Any:
        try:
            from dask_jobqueue import SLURMCluster
        except ImportError as error:
            raise SentenceError("engine=slurm needs dask-jobqueue: pip install 'corticode[cluster]'") from error
        return SLURMCluster(
            queue=self.queue, account=self.account, walltime=self.walltime, memory=self.memory, cores=1, processes=1,
            interface=self.interface, job_extra_directives=list(self.directives), job_script_prologue=list(self.prologue),
            log_directory=self.log_directory, scheduler_options={"dashboard_address": None},
        )  # fmt: skip
