"""The statistics proper: pure functions on arrays of sums, vectorised over comparisons, without I/O."""
