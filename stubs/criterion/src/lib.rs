//! What the engine's runtime names of the benchmark harness: see `stubs/README.md`.
#![forbid(unsafe_code)]

/// Runs asynchronous benchmarks.
pub mod async_executor {
    /// Something that can run a future to its end.
    pub trait AsyncExecutor {
        /// Runs it.
        fn block_on<T>(&self, future: impl Future<Output = T>) -> T;
    }
}
