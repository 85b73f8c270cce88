//! [`Method`]: which program starts agents.

/// The program that starts agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Ssh,
    /// One step of the present allocation for each host.
    Slurm,
    /// One launch of `mpiexec` for each host. The agent never calls `MPI_Init`.
    Mpi,
    /// A command line with `{host}` and `{agent}`, for a shell.
    Command(String),
}
